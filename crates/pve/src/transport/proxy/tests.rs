use super::of;
use crate::connection::Host;

/// Host, environment, and the proxy that Python requests 2.34 takes for it.
type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    Option<&'static str>,
);

/// Asked of requests itself: `select_proxy(url, get_environ_proxies(url))`.
const CASES: &[Case] = &[
    ("pve1.example.org", &[], None),
    (
        "pve1.example.org",
        &[("https_proxy", "http://p:3128")],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[("HTTPS_PROXY", "http://p:3128")],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[("all_proxy", "http://p:3128")],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[("ALL_PROXY", "http://p:3128")],
        Some("p:3128"),
    ),
    ("pve1.example.org", &[("http_proxy", "http://p:3128")], None),
    ("pve1.example.org", &[("HTTP_PROXY", "http://p:3128")], None),
    (
        "pve1.example.org",
        &[("https_proxy", "proxy.example.org:3128")],
        Some("proxy.example.org:3128"),
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://a:1"),
            ("all_proxy", "http://p:3128"),
        ],
        Some("a:1"),
    ),
    (
        "pve1.example.org",
        &[
            ("HTTPS_PROXY", "http://p:3128"),
            ("https_proxy", "http://low:1"),
        ],
        Some("low:1"),
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://low:1"),
            ("HTTPS_PROXY", "http://p:3128"),
        ],
        Some("low:1"),
    ),
    (
        "pve1.example.org",
        &[("HTTPS_PROXY", "http://p:3128"), ("https_proxy", "")],
        None,
    ),
    (
        "pve1.example.org",
        &[("https_proxy", ""), ("HTTPS_PROXY", "http://p:3128")],
        None,
    ),
    (
        "pve1.example.org",
        &[("https_proxy", ""), ("all_proxy", "http://p:3128")],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[("Https_Proxy", "http://p:3128")],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[("HTTPS_proxy", "http://p:3128")],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "example.org"),
        ],
        None,
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", ".example.org"),
        ],
        None,
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "pve1.example.org"),
        ],
        None,
    ),
    (
        "pve1.example.org",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "ample.org")],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "org")],
        None,
    ),
    (
        "pve1.example.org",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "*")],
        None,
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "*.example.org"),
        ],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "pve1")],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "other.org, example.org"),
        ],
        None,
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "other.org,,"),
        ],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "pve1.example.org:8006"),
        ],
        None,
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "example.org:8006"),
        ],
        None,
    ),
    (
        "pve1.example.org",
        &[("https_proxy", "http://p:3128"), ("no_proxy", ":8006")],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "pve1.example.org:443"),
        ],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "EXAMPLE.ORG"),
        ],
        None,
    ),
    (
        "pve1.example.org",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "")],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "  ")],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[("https_proxy", "http://p:3128"), ("no_proxy", " * ")],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "example.org."),
        ],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "192.0.2.0/24"),
        ],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("NO_PROXY", "example.org"),
        ],
        None,
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("NO_PROXY", "example.org"),
            ("no_proxy", "other"),
        ],
        Some("p:3128"),
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("NO_PROXY", "example.org"),
            ("no_proxy", ""),
        ],
        None,
    ),
    (
        "pve1.example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("No_Proxy", "example.org"),
        ],
        None,
    ),
    (
        "192.0.2.7",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "192.0.2.7")],
        None,
    ),
    (
        "192.0.2.7",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "192.0.2.0/24"),
        ],
        None,
    ),
    (
        "192.0.2.7",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "192.0.3.0/24"),
        ],
        Some("p:3128"),
    ),
    (
        "192.0.2.7",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "192.0.2.0/33"),
        ],
        Some("p:3128"),
    ),
    (
        "192.0.2.7",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "192.0.2.7/32"),
        ],
        None,
    ),
    (
        "192.0.2.7",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "0.0.0.0/0")],
        Some("p:3128"),
    ),
    (
        "192.0.2.7",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "192.0.0.0/1"),
        ],
        None,
    ),
    (
        "192.0.2.7",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "2.7")],
        None,
    ),
    (
        "192.0.2.7",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "192.0.2.7:8006"),
        ],
        Some("p:3128"),
    ),
    (
        "192.0.2.7",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "*")],
        None,
    ),
    (
        "192.0.2.7",
        &[("https_proxy", "http://p:3128"), ("no_proxy", ".2.7")],
        None,
    ),
    (
        "192.0.2.7",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "192.0.2.")],
        Some("p:3128"),
    ),
    (
        "192.0.2.7",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "10.0.0.0/8,192.0.2.0/24"),
        ],
        None,
    ),
    (
        "192.0.2.7",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", " 192.0.2.0/24 "),
        ],
        None,
    ),
    (
        "[2001:db8::1]",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "2001:db8::1"),
        ],
        None,
    ),
    (
        "[2001:db8::1]",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "[2001:db8::1]"),
        ],
        Some("p:3128"),
    ),
    (
        "[2001:db8::1]",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "2001:db8::/32"),
        ],
        Some("p:3128"),
    ),
    (
        "[2001:db8::1]",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "*")],
        None,
    ),
    (
        "[2001:db8::1]",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "::1")],
        Some("p:3128"),
    ),
    (
        "pve1",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "pve")],
        Some("p:3128"),
    ),
    (
        "pve1",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "pve1")],
        None,
    ),
    (
        "pve1",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "localdomain"),
        ],
        Some("p:3128"),
    ),
    (
        "pve1",
        &[("https_proxy", "http://p:3128"), ("no_proxy", "1")],
        Some("p:3128"),
    ),
    (
        "localhost",
        &[("https_proxy", "http://p:3128")],
        Some("p:3128"),
    ),
    (
        "127.0.0.1",
        &[("https_proxy", "http://p:3128")],
        Some("p:3128"),
    ),
    (
        "PVE1.Example.org",
        &[
            ("https_proxy", "http://p:3128"),
            ("no_proxy", "example.org"),
        ],
        None,
    ),
];

#[test]
fn the_proxy_is_the_one_that_python_requests_takes() {
    for (host, variables, proxy) in CASES {
        let environment: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let found = of(&Host::parse(host, 8006).unwrap(), &environment.into()).unwrap();
        assert_eq!(
            found.map(|found| found.shown).as_deref(),
            *proxy,
            "{host} {variables:?}"
        );
    }
}
