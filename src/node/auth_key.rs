//! Auth keys of integration runtimes, as far as a node reads them.

use zeroize::Zeroizing;

use super::error::NodeError;

/// An auth key: `IR@GUID@FACTORY@ServiceEndpoint=HOST@BASE64`; deliberately no `Debug`.
pub(crate) struct AuthKey(Zeroizing<String>);

impl AuthKey {
    /// The key that `text` is.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn parse(text: &str) -> Result<Self, NodeError> {
        let text = text.trim();
        let parts: Vec<&str> = text.split('@').collect();
        let ["IR", runtime, factory, endpoint, secret] = parts[..] else { return Err(NodeError::NoAuthKey) };
        let host = endpoint.strip_prefix("ServiceEndpoint=").unwrap_or_default();
        let is_host = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
        let is_whole = [runtime, factory, host, secret].iter().all(|part| !part.is_empty());
        if is_whole && is_host { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(NodeError::NoAuthKey) }
    }

    /// The whole key.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// The host at which a node registers.
    pub(super) fn endpoint(&self) -> &str {
        let endpoint = self.0.split('@').nth(3).unwrap_or_default();
        endpoint.strip_prefix("ServiceEndpoint=").unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_the_host_to_register_at() {
        let key = AuthKey::parse(" IR@a@acme@ServiceEndpoint=acme.eastus.datafactory.azure.net@s=\n").unwrap();
        assert_eq!(key.endpoint(), "acme.eastus.datafactory.azure.net");
        assert_eq!(key.text(), "IR@a@acme@ServiceEndpoint=acme.eastus.datafactory.azure.net@s=");
        for text in [
            "",
            "secret",
            "IR@a@acme@acme.eastus.datafactory.azure.net@s",
            "IR@a@acme@ServiceEndpoint=a/b@s",
            "IR@a@acme@ServiceEndpoint=@s",
            "IR@a@acme@ServiceEndpoint=a@",
        ] {
            assert!(matches!(AuthKey::parse(text), Err(NodeError::NoAuthKey)), "{text}");
        }
    }
}
