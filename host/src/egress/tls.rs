//! Whose certificates are believed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_platform_verifier::Verifier;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

/// Why no TLS can be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The operator's file cannot be read.
    #[error("`WATCHBELL_EGRESS_CA_FILE`: `{path}` cannot be read: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It is something else.
    #[error(
        "`WATCHBELL_EGRESS_CA_FILE`: `{path}` {defect}\n\
         hint: it holds one or more certificates of authorities as PEM, `-----BEGIN CERTIFICATE-----`"
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        defect: String,
    },
    /// Nobody is believed.
    #[error(
        "TLS was not set up: {0}\n\
         hint: it needs the system's root certificates; install the package `ca-certificates`"
    )]
    Roots(String),
}

/// The client's side of TLS: certificates are checked against the system's authorities and those of the
/// file, read now.
///
/// # Errors
/// [`TlsError`].
pub(super) fn config(authorities: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let more = authorities.map(read).transpose()?.unwrap_or_default();
    let roots = |error: tokio_rustls::rustls::Error| TlsError::Roots(error.to_string());
    let verifier = Verifier::new_with_extra_roots(more, Arc::clone(&provider)).map_err(roots)?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(roots)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(builder.with_no_client_auth())
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let content = |defect: String| TlsError::Content { path: path.to_owned(), defect };
    let bytes = std::fs::read(path).map_err(|cause| TlsError::Unreadable { path: path.to_owned(), cause })?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|error| content(format!("is not PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(content("holds no certificate".to_owned()));
    }
    // Tried here, so that a broken one is told of by the name of the file.
    let mut store = tokio_rustls::rustls::RootCertStore::empty();
    for certificate in &certificates {
        let added = store.add(certificate.clone());
        added.map_err(|error| content(format!("holds what is no certificate: {error}")))?;
    }
    Ok(certificates)
}
