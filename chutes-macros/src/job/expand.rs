//! The expansion of `#[job]`: a registration beside the function.

use chutes_rules::{Port, Protocol, ReadinessPath};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};

use super::JobAttribute;
use crate::function::Function;

/// The registration, in an anonymous constant so that no name of ours is visible to the user.
///
/// Everything it names comes from `__private`. The types of the function are repeated where the
/// compiler checks them, so that its messages point at the user's own tokens.
pub(super) fn registration(attribute: &JobAttribute, function: &Function) -> TokenStream {
    let krate = &attribute.krate;
    let name = function.name();
    let summary = &function.summary;
    let ports = attribute.ports.iter().map(port);
    let timeout = option(attribute.timeout.map(chutes_rules::TimeLimit::seconds));
    let JobAttribute { upload, ssh, .. } = attribute;
    let prepare = prepare(function);
    let (data, returned) = (function.parameters.get(1), &function.returns);
    let data_schema = data
        .map_or_else(|| quote!(__chutes::no_schema), |data| quote!(__chutes::schema_of!(#data)));
    quote! {
        #[allow(deprecated)]
        const _: () = {
            use #krate::__private as __chutes;
            __chutes::inventory::submit! {
                __chutes::JobDefinition {
                    name: #name,
                    summary: #summary,
                    ports: &[#(#ports),*],
                    timeout_seconds: #timeout,
                    upload: #upload,
                    ssh: #ssh,
                    source: __chutes::source_location!(),
                    prepare: #prepare,
                    data_schema: #data_schema,
                    result_schema: __chutes::result_schema_of!(#returned),
                }
            }
        };
    }
}

/// The call has the place of the function's name, where the compiler complains about its future.
fn prepare(function: &Function) -> TokenStream {
    let Function { ident, parameters, returns, .. } = function;
    let place = Span::call_site().located_at(ident.span());
    // The function may have the name of the closure's parameter; this name cannot collide.
    let json = Ident::new("__data", Span::mixed_site());
    match parameters.as_slice() {
        [context, data, ..] => quote_spanned! {place=>
            |#json| <#returns as __chutes::JobReturn>::prepare(
                <#data as __chutes::JobData>::bind::<#context, _>(#json, #ident)
            )
        },
        [context] => quote_spanned! {place=>
            |#json| <#returns as __chutes::JobReturn>::prepare(
                __chutes::bind_without_data::<#context, _>(#json, #ident)
            )
        },
        [] => TokenStream::new(),
    }
}

fn port(port: &Port) -> TokenStream {
    let name = port.name().as_str();
    let number = port.number().get();
    let ready = option(port.ready().map(ReadinessPath::as_str));
    let protocol = format_ident!(
        "{}",
        match port.protocol() {
            Protocol::Http => "Http",
            Protocol::Tcp => "Tcp",
            Protocol::Udp => "Udp",
        }
    );
    quote!(__chutes::DeclaredPort {
        name: #name,
        number: #number,
        protocol: __chutes::Protocol::#protocol,
        ready: #ready,
    })
}

fn option(value: Option<impl ToTokens>) -> TokenStream {
    value.map_or_else(|| quote!(__chutes::None), |value| quote!(__chutes::Some(#value)))
}
