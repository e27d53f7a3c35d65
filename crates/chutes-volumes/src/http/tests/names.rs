//! Names of servers: those that resolve to refused addresses, and unknown ones.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use super::*;

/// A client that knows some names only, and remembers what it was asked for.
struct Named {
    client: Client,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Named {
    fn new() -> Self {
        let mut settings = settings();
        settings.retry.delays = settings.retry.delays.with_max_times(11);
        settings.addresses = AddressPolicy::new(vec!["fd00:ec2::254".parse().unwrap()]);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        let lookup = move |name: String| {
            let found = addresses(&name);
            kept.lock().unwrap().push(name);
            Box::pin(std::future::ready(found)) as std::pin::Pin<Box<_>>
        };
        let resolver = Resolver::with(settings.addresses.clone(), Arc::new(lookup));
        let client = Client::with_resolver(&settings, &FetchAbort::default(), &resolver).unwrap();
        Self { client, asked }
    }

    async fn get(&self, url: &str) -> Result<Fetched, String> {
        let request = request(&Url::parse(url).unwrap());
        download(&self.client, &request, None).await.0.map_err(|error| error.message)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn addresses(name: &str) -> io::Result<Vec<SocketAddr>> {
    let addresses: &[&str] = match name {
        "metadata.test" => &["169.254.169.254", "::ffff:a9fe:a9fe"],
        "wireserver.test" => &["168.63.129.16"],
        "akamai.test" => &["fd00:a9fe:a9fe::1"],
        "mixed.test" => &["fe80::1", "127.0.0.1"],
        "empty.test" => &[],
        _ => return Err(io::Error::other("name not found")),
    };
    Ok(addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect())
}

#[tokio::test]
async fn names_of_refused_addresses() {
    let server = Server::of(vec![plain(b"hello")]).await;
    let port = server.url.port().unwrap();
    let named = Named::new();
    // What is refused is not tried again.
    let hosts = ["metadata.test", "wireserver.test", "akamai.test"];
    for name in hosts {
        let error = named.get(&format!("http://{name}/latest")).await.unwrap_err();
        assert!(error.starts_with(&format!("GET http://{name}/latest: the address")), "{error}");
        assert!(error.contains("metadata service"), "{error}");
        assert!(error.ends_with("allow it with `--allow-address`"), "{error}");
    }
    assert_eq!(named.asked(), hosts);
    // Only the other addresses of a name are asked.
    assert!(named.get(&format!("http://mixed.test:{port}/file")).await.is_ok());
    // Also where a redirect leads.
    let server = Server::of(vec![redirect("http://metadata.test/")]).await;
    assert!(named.get(server.url.as_str()).await.unwrap_err().contains("metadata service"));
}

/// They are looked up again, but not for minutes.
#[tokio::test]
async fn names_without_an_address() {
    for (name, why) in [("misspelt.test", "name not found"), ("empty.test", "it has no addresses")]
    {
        let named = Named::new();
        let error = named.get(&format!("http://{name}/file?token=abcdef123")).await.unwrap_err();
        let expected = format!(
            "GET http://{name}/file: the host `{name}` is not known: {why} (after 4 attempts)"
        );
        assert_eq!(error, expected);
        assert_eq!(named.asked(), [name; 4]);
    }
}
