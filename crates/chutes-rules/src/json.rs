//! The JSON form of the types, and its schemas.
//!
//! All of it stands here, and not as attributes of the types, so that the crate has one `cfg` for it.
//! Reading checks as much as the constructors do.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    JobName, Port, PortError, PortName, PortNumber, Ports, Protocol, ReadinessPath, TimeLimit,
};

/// Reads and writes a type as another one, to which it is converted.
macro_rules! json_form {
    ($type:ident, from $from:ty, into $into:ty, $description:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                <$into>::from(self.clone()).serialize(to)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Self::try_from(<$from>::deserialize(from)?).map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn schema_id() -> Cow<'static, str> {
                concat!("chutes_rules::", stringify!($type)).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let schema = if generator.contract().is_deserialize() {
                    <$from>::json_schema(generator)
                } else {
                    <$into>::json_schema(generator)
                };
                described(schema, $description)
            }
        }
    };
}

json_form!(
    JobName, from String, into String,
    "The name of a job: 1 to 200 bytes that are safe as one path component and on a command line."
);
json_form!(
    PortName, from String, into String,
    "The name of a port: lowercase ASCII letters, then optional digits."
);
json_form!(
    ReadinessPath, from String, into String,
    "The path of a request that a job answers with 200 when a port of it is ready, for instance `/health`: \
     1 to 1,024 characters of a URL's path and query."
);
json_form!(
    PortNumber, from u64, into u16,
    "The number of a port. A job may open 2202 and 8002 to 65535, an image any from 1."
);
json_form!(
    TimeLimit, from u64, into u64,
    "The time limit that a job declares: 30 to 86,400 seconds."
);
json_form!(Protocol, from ProtocolForm, into ProtocolForm, "The protocol of a port.");
json_form!(
    Port, from PortForm, into PortForm,
    "One port of a job: name, number, protocol, and for HTTP perhaps its readiness path."
);

fn described(mut schema: Schema, description: &str) -> Schema {
    schema.insert("description".to_owned(), description.into());
    schema
}

/// The form of a protocol: its name in lower case.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ProtocolForm {
    /// HTTP over TCP; a service may put its gateway in front of it.
    Http,
    /// Any protocol over TCP.
    Tcp,
    /// Any protocol over UDP.
    Udp,
}

impl From<Protocol> for ProtocolForm {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http => Self::Http,
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
        }
    }
}

impl From<ProtocolForm> for Protocol {
    fn from(form: ProtocolForm) -> Self {
        match form {
            ProtocolForm::Http => Self::Http,
            ProtocolForm::Tcp => Self::Tcp,
            ProtocolForm::Udp => Self::Udp,
        }
    }
}

/// The form of a port, whose number and protocol are `port` and `proto`.
#[derive(Serialize, Deserialize, JsonSchema)]
struct PortForm {
    name: PortName,
    port: PortNumber,
    proto: Protocol,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ready: Option<ReadinessPath>,
}

impl From<Port> for PortForm {
    fn from(port: Port) -> Self {
        Self {
            name: port.name().clone(),
            port: port.number(),
            proto: port.protocol(),
            ready: port.ready().cloned(),
        }
    }
}

impl TryFrom<PortForm> for Port {
    type Error = PortError;

    fn try_from(form: PortForm) -> Result<Self, PortError> {
        let port = Self::for_image(String::from(form.name), form.port.get().into(), form.proto)?;
        match form.ready {
            Some(path) => port.with_ready(String::from(path)),
            None => Ok(port),
        }
    }
}

/// Ports are written as their list. They are read with the contract of their job, which says whether one of
/// them is that of SSH.
impl Serialize for Ports {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self)
    }
}

impl JsonSchema for Ports {
    fn schema_name() -> Cow<'static, str> {
        "Ports".into()
    }

    fn schema_id() -> Cow<'static, str> {
        "chutes_rules::Ports".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let schema = <Vec<Port>>::json_schema(generator);
        described(
            schema,
            "All ports of one job, in the order of their declaration, the SSH port last.",
        )
    }
}
