//! Certificates of the tests: an authority and what it signs, as files.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// A certificate and its key, as files in PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub file: PathBuf,
    pub key: PathBuf,
}

/// An authority that signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: PathBuf,
    /// Its own certificate.
    pub file: PathBuf,
}

impl Authority {
    /// A new one, with its files in `dir`.
    pub fn new(dir: &Path, name: &str) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let file = dir.join(format!("{name}.pem"));
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), dir: dir.to_owned(), file }
    }

    /// A certificate for `localhost`.
    pub fn sign(&self, name: &str) -> Certificate {
        self.signed(name, CertificateParams::new(vec!["localhost".to_owned()]).unwrap())
    }

    /// The same, but no longer valid.
    pub fn sign_expired(&self, name: &str) -> Certificate {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.signed(name, params)
    }

    fn signed(&self, name: &str, mut params: CertificateParams) -> Certificate {
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate =
            Certificate { file: self.dir.join(format!("{name}.pem")), key: self.dir.join(format!("{name}.key")) };
        std::fs::write(&certificate.file, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(&certificate.key, key.serialize_pem()).unwrap();
        certificate
    }
}
