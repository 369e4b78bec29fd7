//! What proves who the hub is: a certificate and its key, read again when the files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// How often it is looked whether the files changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The protocols that are spoken over TLS, the first where both sides can.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why a pair of files is not used. Each names the setting and the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("`{setting}`: `{path}` cannot be read: {cause}")]
    Unreadable {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("`{setting}`: `{path}` {defect}\nhint: {hint}")]
    Content {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        defect: String,
        /// What to do.
        hint: &'static str,
    },
}

/// A certificate and its key.
#[derive(Debug)]
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    current: ArcSwap<ServerConfig>,
}

/// The bytes of both files.
struct Pair {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Certificates {
    /// Reads both files.
    ///
    /// # Errors
    /// When one cannot be read or is not what it should be, or they do not belong together.
    pub async fn open(certificate: PathBuf, key: PathBuf) -> Result<Arc<Self>, TlsError> {
        let pair = Pair::read(&certificate, &key).await?;
        let current = ArcSwap::from_pointee(pair.config(&certificate, &key)?);
        Ok(Arc::new(Self { certificate, key, current }))
    }

    /// What shakes hands on a new connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Takes over what the files change to, until `stop`. New connections get the new certificate, those
    /// there are keep theirs. A pair that cannot be used changes nothing and is told of once.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known = Pair::read(&self.certificate, &self.key).await.ok().map(|pair| pair.digest());
        let mut broken = Seen::default();
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = stop.cancelled() => return,
            }
            let pair = Pair::read(&self.certificate, &self.key).await;
            let digest = pair.as_ref().ok().map(Pair::digest);
            if digest.is_some() && digest == known {
                broken = Seen::default();
                continue;
            }
            match pair.and_then(|pair| pair.config(&self.certificate, &self.key)) {
                Ok(config) => {
                    self.current.store(Arc::new(config));
                    (known, broken) = (digest, Seen::default());
                    tracing::info!("new connections get the changed certificate of `TLS_CERT`");
                }
                Err(error) if broken.is_settled(error.to_string(), digest) => {
                    tracing::error!(error.r#type = "tls", "the certificate before stays in use: {error}");
                }
                Err(_) => {}
            }
        }
    }
}

/// What was wrong at the last look. Two files cannot be replaced at once, so that only what is wrong
/// twice is told.
#[derive(Default)]
struct Seen {
    last: Option<(String, Option<[u8; 32]>)>,
    told: bool,
}

impl Seen {
    fn is_settled(&mut self, error: String, digest: Option<[u8; 32]>) -> bool {
        let found = Some((error, digest));
        if self.last != found {
            *self = Self { last: found, told: false };
            return false;
        }
        !std::mem::replace(&mut self.told, true)
    }
}

impl Pair {
    async fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = async |setting, path: &Path| {
            tokio::fs::read(path).await.map_err(|cause| TlsError::Unreadable {
                setting,
                path: path.to_owned(),
                cause,
            })
        };
        let certificate = read("TLS_CERT", certificate).await?;
        Ok(Self { certificate, key: Zeroizing::new(read("TLS_KEY", key).await?) })
    }

    fn digest(&self) -> [u8; 32] {
        let hash = Sha256::new().chain_update((self.certificate.len() as u64).to_be_bytes());
        hash.chain_update(&self.certificate).chain_update(&*self.key).finalize().into()
    }

    fn config(&self, certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
        let content = |setting, path: &Path, defect: &str, hint| TlsError::Content {
            setting,
            path: path.to_owned(),
            defect: defect.to_owned(),
            hint,
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let hint = "it must hold PEM, `-----BEGIN CERTIFICATE-----` first, the hub's own before those that issued it";
        let chain = chain.map_err(|_| content("TLS_CERT", certificate, "is damaged PEM", hint))?;
        if chain.is_empty() {
            return Err(content("TLS_CERT", certificate, "holds no certificate", hint));
        }
        let hint = "it must hold a private key that is not encrypted, as PEM (PKCS #8, PKCS #1 or SEC 1)";
        let secret = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| content("TLS_KEY", key, "holds no private key that can be read", hint))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret));
        let mut config = config.map_err(|error| {
            let defect = format!("cannot be used with the certificate `{}`: {error}", certificate.display());
            content("TLS_KEY", key, &defect, "`TLS_CERT` and `TLS_KEY` must name the two parts of one pair")
        })?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(config)
    }
}
