//! TLS for all connections of the process.

use rustls::crypto::{CryptoProvider, ring};

/// Installs a provider of cryptography for the process, unless one is installed.
pub(super) fn install_provider() {
    if CryptoProvider::get_default().is_none() {
        // An error means that another thread was faster; any provider will do.
        ring::default_provider().install_default().ok();
    }
}
