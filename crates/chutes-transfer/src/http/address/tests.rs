//! Addresses in all their spellings, in URLs.

use super::*;

#[track_caller]
fn check(url: &str, is_allowed: bool) {
    let url = Url::parse(url).unwrap();
    assert_eq!(AddressPolicy::default().check_url(&url).is_ok(), is_allowed, "{url}");
}

#[test]
fn urls() {
    for allowed in [
        "http://127.0.0.1:8080/a",
        "http://[::1]/",
        "https://10.1.2.3/",
        "http://192.168.0.1/",
        "http://172.16.0.1/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "https://[fd12:3456::1]/",
        "https://example.test/",
        "http://[::ffff:127.0.0.1]/",
    ] {
        check(allowed, true);
    }
    for refused in [
        "ftp://example.test/",
        "file:///etc/passwd",
        "data:text/plain,x",
        "http://169.254.169.254/latest",
        "http://169.254.0.1/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://0251.0376.0251.0376/",
        "http://169.254.43518/",
        "http://%31%36%39.254.169.254/",
        "http://100.100.100.200/",
        "http://192.0.0.192/",
        "http://168.63.129.16/machine?comp=goalstate",
        "http://2822734096/",
        "http://0xa83f8110/",
        "http://168.63.33040/",
        "http://[::ffff:168.63.129.16]/",
        "http://[64:ff9b::168.63.129.16]/",
        "http://[2002:a83f:8110::]/",
        "http://[fd00:a9fe:a9fe::1]/v1/instance",
        "http://[fd00:a9fe:a9fe:0:0:0:0:1]/",
        "http://[fd00:42::42]/",
        "http://0.0.0.0/",
        "http://0.1.2.3/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::]/",
        "http://[fe80::1]/",
        "http://[febf::1]/",
        "http://[ff02::1]/",
        "http://[fd00:ec2::254]/",
        "http://[fd20:ce::254]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[::169.254.169.254]/",
        "http://[::ffff:0:a9fe:a9fe]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[64:ff9b:1::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::1]/",
        "http://[::ffff:0.0.0.0]/",
    ] {
        check(refused, false);
    }
}

#[test]
fn what_is_said() {
    let url = Url::parse("http://[::ffff:169.254.169.254]/").unwrap();
    assert_eq!(
        AddressPolicy::default().check_url(&url).unwrap_err().to_string(),
        "the address ::ffff:169.254.169.254 is refused, because it is a metadata service of a cloud: \
         if it is yours, allow it with `--allow-address`"
    );
}
