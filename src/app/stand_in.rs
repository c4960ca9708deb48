//! What takes the place of a user's real credentials in the environment of a command: good here, worth nothing elsewhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256};
use zeroize::Zeroizing;

use super::{Running, StartError, failed, hex};
use crate::directory::{Chosen, ClientSecret, StandIn, Strangers};
use crate::random;

/// Credentials that sign any application in at this server, for as long as it runs. They have no `Debug`.
pub struct StandIns {
    /// For client secrets and passwords.
    pub secret: Zeroizing<String>,
    /// For certificates: the certificate and its key, as PEM.
    pub certificate: Option<Zeroizing<String>>,
    /// For files with a federated token.
    pub federated: Option<Zeroizing<String>>,
}

/// Which stand-ins are wanted besides the secret.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// A certificate, which takes a moment to make.
    pub certificate: bool,
    /// A federated token of the application of this id.
    pub federated: Option<&'a str>,
}

impl Running {
    /// Makes stand-ins and takes them for good.
    ///
    /// # Errors
    /// When a key cannot be made, or when there is no application of the id `wanted.federated`.
    pub async fn stand_ins(&self, wanted: Wanted<'_>) -> Result<StandIns, StartError> {
        let secret = Zeroizing::new(format!("keyhaven-{}", hex(&random::secret::<16>())));
        let made = match wanted.certificate {
            true => Some(tokio::task::spawn_blocking(certificate).await.map_err(failed)?.map_err(failed)?),
            false => None,
        };
        let (der, pem) = made.unzip();
        let federated = match wanted.federated {
            Some(client_id) => Some(self.federated_token(client_id).await?),
            None => None,
        };
        self.directory.accept(StandIn { secret: ClientSecret::new(secret.to_string()), certificate: der });
        Ok(StandIns { secret, certificate: pem, federated })
    }

    async fn federated_token(&self, client_id: &str) -> Result<Zeroizing<String>, StartError> {
        let chosen = Chosen::ClientId(client_id.to_owned());
        let identity = self.directory.choose(&chosen, self.strangers).await.map_err(failed)?;
        let absent = || failed(format!("no identity has the client id {client_id}; name it in the configuration"));
        let identity = identity.ok_or_else(absent)?;
        let issued = self.directory.federated_token(&identity).await.map_err(failed)?;
        Ok(Zeroizing::new(issued.access_token))
    }

    /// What becomes of identities that nobody has configured.
    pub const fn strangers(&self) -> Strangers {
        self.strangers
    }
}

/// A certificate (DER in base64), and it with its key as PEM. The key is RSA: clients of Entra take no other.
fn certificate() -> Result<(String, Zeroizing<String>), rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Keyhaven stand-in for one start");
    let certificate = params.self_signed(&key)?;
    let pem = Zeroizing::new(format!("{}{}", certificate.pem(), *Zeroizing::new(key.serialize_pem())));
    Ok((STANDARD.encode(certificate.der()), pem))
}
