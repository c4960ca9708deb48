//! `encryptedCredential`: the reference to a credential that is kept elsewhere, in the exact bytes of the service.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

/// What is before the id of the credential. The lines end in CR and LF (recorded in answers of the service).
const HEAD: &str = "{\r\n  \"Version\": \"2017-11-30\",\r\n  \"ProtectionMode\": \"Key\",\r\n  \"SecretContentType\": \"Plaintext\",\r\n  \
                    \"CredentialId\": \"";
/// What is after it.
const TAIL: &str = "\"\r\n}";
/// What an id begins with that names the factory by its id.
const FACTORY: &str = "DATAFACTORY@";

/// A reference to a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EncryptedCredential {
    /// What names the factory: `DATAFACTORY@` and its id, or its name, in capitals.
    holder: String,
    id: Uuid,
}

impl EncryptedCredential {
    /// The reference to the credential `id` of the factory with this id.
    pub(crate) fn new(factory: Uuid, id: Uuid) -> Self {
        Self { holder: format!("{FACTORY}{}", factory.to_string().to_uppercase()), id }
    }

    /// Reads a reference; both forms of ids are taken, and nothing else than their exact bytes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let json = std::str::from_utf8(&bytes).ok()?;
        let (holder, id) = json.strip_prefix(HEAD)?.strip_suffix(TAIL)?.rsplit_once('_')?;
        let credential = Self { holder: holder.to_owned(), id: Uuid::parse_str(id).ok()? };
        let name = holder.strip_prefix(FACTORY).unwrap_or(holder);
        let is_name = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-');
        (is_name && credential.encode() == text).then_some(credential)
    }

    /// The reference as definitions have it: base64.
    pub(crate) fn encode(&self) -> String {
        STANDARD.encode(format!("{HEAD}{self}{TAIL}"))
    }
}

impl fmt::Display for EncryptedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.holder, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document's own example.
    const EXAMPLE: &str = "DATAFACTORY@4ED62629-C2DB-485B-9FDC-82F710ACC05E_a5e92916-fa05-4557-8dea-673029ad4ba9";

    fn encoded(id: &str) -> String {
        let lines = [
            "{",
            r#"  "Version": "2017-11-30","#,
            r#"  "ProtectionMode": "Key","#,
            r#"  "SecretContentType": "Plaintext","#,
            &format!(r#"  "CredentialId": "{id}""#),
            "}",
        ];
        STANDARD.encode(lines.join("\r\n"))
    }

    #[test]
    fn it_has_the_bytes_of_the_service() {
        let [factory, id] = ["4ed62629-c2db-485b-9fdc-82f710acc05e", "a5e92916-fa05-4557-8dea-673029ad4ba9"];
        let made = EncryptedCredential::new(factory.parse().unwrap(), id.parse().unwrap());
        assert_eq!((made.to_string().as_str(), made.encode()), (EXAMPLE, encoded(EXAMPLE)));
        assert!(made.encode().starts_with("ew0KICAiVmVyc2lvbiI6ICIyMDE3LTExLTMwIiwNCiAg"), "{}", made.encode());
    }

    #[test]
    fn both_forms_of_ids_are_read_and_nothing_else() {
        let id = "a5e92916-fa05-4557-8dea-673029ad4ba9";
        for own in [EXAMPLE.to_owned(), format!("ACME-FACTORY-1_{id}"), format!("DATAFACTORY@ACME_{id}")] {
            assert_eq!(EncryptedCredential::parse(&encoded(&own)).unwrap().to_string(), own);
        }
        for other in [
            String::new(),
            id.to_owned(),
            format!("_{id}"),
            format!("DATAFACTORY@_{id}"),
            format!("acme_{id}"),
            "ACME_1".to_owned(),
            format!("ACME_{}", id.to_uppercase()),
            format!("ACME_{id}\""),
        ] {
            assert_eq!(EncryptedCredential::parse(&encoded(&other)), None, "{other}");
        }
        let unix = STANDARD
            .encode(STANDARD.decode(encoded(EXAMPLE)).map(String::from_utf8).unwrap().unwrap().replace('\r', ""));
        for text in [&unix, "", "fake_credential", &format!("{} ", encoded(EXAMPLE))] {
            assert_eq!(EncryptedCredential::parse(text), None, "{text}");
        }
    }
}
