//! Converts the heads of requests and answers, without headers that are for one connection only.

use hyper::header::{
    CONNECTION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::uri::Uri;
use hyper::{Method, Request, Response, Version};

use super::Refusal;

/// Headers that are for one connection only (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Converts a request to HTTP/1.1. The host is that of `:authority`, whatever other headers contain.
pub(super) fn to_job<B>(mut request: Request<B>) -> Result<Request<B>, Refusal> {
    if request.method() == Method::CONNECT {
        return Err(Refusal::NotHttp1);
    }
    let host = host(request.uri(), request.headers())?;
    let path = request.uri().path_and_query().ok_or(Refusal::NotHttp1)?;
    *request.uri_mut() = Uri::from(path.clone());
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    remove_connection_headers(headers);
    let takes_trailers = headers.get_all(TE).iter().any(|value| value == "trailers");
    headers.remove(TE);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    headers.insert(HOST, host);
    join_cookies(headers)?;
    Ok(request)
}

/// Converts an answer to HTTP/2.
pub(super) fn to_client<B>(mut response: Response<B>) -> Response<B> {
    remove_connection_headers(response.headers_mut());
    *response.version_mut() = Version::HTTP_2;
    response
}

fn host(uri: &Uri, headers: &HeaderMap) -> Result<HeaderValue, Refusal> {
    let Some(authority) = uri.authority() else {
        return headers.get(HOST).cloned().ok_or(Refusal::NotHttp1);
    };
    if authority.as_str().contains('@') {
        return Err(Refusal::NotHttp1);
    }
    HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::NotHttp1)
}

fn remove_connection_headers(headers: &mut HeaderMap) {
    let mut named = Vec::new();
    for value in headers.get_all(CONNECTION) {
        let listed = value.to_str().unwrap_or_default().split(',');
        named.extend(listed.filter_map(|name| HeaderName::try_from(name.trim()).ok()));
    }
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// HTTP/2 may split cookies into several headers, HTTP/1.1 may not (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) -> Result<(), Refusal> {
    let cookies: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1 {
        let joined = HeaderValue::from_bytes(&cookies.join(b"; ".as_slice()));
        headers.insert(COOKIE, joined.map_err(|_| Refusal::NotHttp1)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed_on(uri: &str, headers: &[(&str, &str)]) -> Result<String, Refusal> {
        let mut request = Request::builder().method("GET").uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = to_job(request.body(()).unwrap())?;
        let mut lines = vec![request.uri().to_string()];
        let headers = request.headers().iter();
        lines.extend(headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())));
        lines[1..].sort();
        Ok(lines.join("\n"))
    }

    #[test]
    fn requests_are_converted_to_http_1() {
        let check = |uri: &str, headers: &[(&str, &str)], expected: Result<&str, Refusal>| {
            assert_eq!(passed_on(uri, headers), expected.map(str::to_owned), "{uri} {headers:?}");
        };
        check("https://a:1/p?q=1", &[], Ok("/p?q=1\nhost: a:1"));
        check("https://a/p", &[("host", "liar"), ("host", "other")], Ok("/p\nhost: a"));
        check("/p", &[("host", "b")], Ok("/p\nhost: b"));
        check("/p", &[], Err(Refusal::NotHttp1));
        check("https://user@a/", &[], Err(Refusal::NotHttp1));
        let hops = [("connection", "x-own, close"), ("x-own", "1"), ("keep-alive", "1")];
        check("https://a/", &hops, Ok("/\nhost: a"));
        let hops = [("transfer-encoding", "chunked"), ("upgrade", "h2c"), ("te", "gzip")];
        check("https://a/", &hops, Ok("/\nhost: a"));
        check("https://a/", &[("te", "trailers")], Ok("/\nhost: a\nte: trailers"));
        let cookies = [("cookie", "a=1"), ("cookie", "b=2")];
        check("https://a/", &cookies, Ok("/\ncookie: a=1; b=2\nhost: a"));
        let claims = [("x-forwarded-for", "1.2.3.4")];
        check("https://a/", &claims, Ok("/\nhost: a\nx-forwarded-for: 1.2.3.4"));
    }

    #[test]
    fn tunnels_are_not_opened() {
        let request = Request::builder().method("CONNECT").uri("a:1").body(()).unwrap();
        assert_eq!(to_job(request).unwrap_err(), Refusal::NotHttp1);
    }

    #[test]
    fn answers_lose_hop_by_hop_headers() {
        let response = Response::builder()
            .header("connection", "keep-alive, x-own")
            .header("x-own", "1")
            .header("transfer-encoding", "chunked")
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2");
        let response = to_client(response.body(()).unwrap());
        assert_eq!(response.headers().len(), 2, "{:?}", response.headers());
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
    }
}
