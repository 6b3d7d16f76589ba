//! Where something is sent over HTTP. Its path and query may be a secret, and so it is never shown whole.

use std::fmt;
use ureq::http::Uri;
use ureq::http::uri::{Authority, PathAndQuery};

/// An `http://` or `https://` URL. Prints as `scheme://host/…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    uri: Uri,
    host: String,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it, without its text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.trim().parse().map_err(|_| "it is no URL".to_owned())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err("it does not begin with http:// or https://".to_owned());
        }
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("it holds a user or password: put them into `headers`, as Authorization".to_owned());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return Err("it names no host".to_owned());
        }
        Ok(Self { uri, host })
    }

    /// The whole, for whoever sends.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The path, from its first slash on.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The address of something below it: `/start` of `https://host/x?y` is `https://host/x/start?y`.
    ///
    /// # Errors
    /// That this is no path.
    pub fn below(&self, path: &str) -> Result<Self, String> {
        let base = self.uri.path().trim_end_matches('/');
        let query = self.uri.query().map_or_else(String::new, |query| format!("?{query}"));
        let mut parts = self.uri.clone().into_parts();
        let whole: PathAndQuery =
            format!("{base}{path}{query}").parse().map_err(|_| "its path cannot be lengthened".to_owned())?;
        parts.path_and_query = Some(whole);
        let uri = Uri::from_parts(parts).map_err(|_| "its path cannot be lengthened".to_owned())?;
        Ok(Self { uri, host: self.host.clone() })
    }

    /// The host, in lower case, without the port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is reached through TLS.
    pub fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// A text without what of the address is secret.
    pub fn conceal(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let path = self.uri.path().trim_matches('/');
        let pieces = [self.uri.path_and_query().map(PathAndQuery::as_str), Some(path), self.uri.query()];
        for piece in pieces.into_iter().flatten().filter(|piece| piece.len() > 1) {
            text = text.replace(piece, "…");
        }
        text
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", Authority::as_str);
        write!(f, "{}://{authority}/…", self.uri.scheme_str().unwrap_or("http"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_its_host_and_nothing_else() {
        let address = Address::parse("https://Hooks.Example:8443/T0/s3cret?token=x").unwrap();
        assert_eq!(address.to_string(), "https://Hooks.Example:8443/…");
        assert_eq!(format!("{address:?}"), "https://Hooks.Example:8443/…");
        assert_eq!(address.host(), "hooks.example");
    }

    #[test]
    fn an_address_below_another_keeps_its_query() {
        let below =
            |text: &str, path: &str| Address::parse(text).unwrap().below(path).unwrap().uri().to_string();
        assert_eq!(below("https://h.example/uuid", "/start"), "https://h.example/uuid/start");
        assert_eq!(below("https://h.example/k/slug/?create=1", "/2"), "https://h.example/k/slug/2?create=1");
        assert_eq!(below("http://h:9093", "/api/v2/alerts"), "http://h:9093/api/v2/alerts");
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for (text, why) in [
            ("", "no URL"),
            ("hooks.example/x", "no URL"),
            ("ftp://host/s3cret", "http:// or https://"),
            ("/s3cret", "http:// or https://"),
            ("https://u:s3cret@host/", "Authorization"),
            ("https:///s3cret", "no URL"),
        ] {
            let said = Address::parse(text).unwrap_err();
            assert!(said.contains(why) && !said.contains("s3cret"), "{text}: {said}");
        }
    }
}
