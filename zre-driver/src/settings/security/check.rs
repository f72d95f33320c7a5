//! What contradicts itself about keys.

use zre_core::proto::curve::Keypair;

use super::{Passphrase, Secret, SecurityError, Settings, Trust};

impl Settings {
    /// Without reading a file or making a key.
    pub(in crate::settings) fn check_security(&self) -> Result<(), SecurityError> {
        match (&self.key, &self.trust, &self.secret) {
            (None, None, None) => return Ok(()),
            (Some(_), _, Some(_)) => return Err(SecurityError::KeyAndSecret),
            (None, Some(_), Some(_)) => return Err(SecurityError::SecretAndTrust),
            (None, Some(_), None) => return Err(SecurityError::TrustWithoutKey),
            (Some(_), None, None) => return Err(SecurityError::KeyWithoutTrust),
            (Some(_), Some(Trust::Keys(keys)), None) if keys.is_empty() => {
                return Err(SecurityError::NobodyTrusted);
            }
            (Some(_), Some(_), None) => {}
            (None, None, Some(secret)) => secret.check()?,
        }
        match self.seed {
            Some(_) => Err(SecurityError::Seed),
            None => Ok(()),
        }
    }
}

impl Secret {
    fn check(&self) -> Result<(), SecurityError> {
        match &self.0 {
            Passphrase::Text(text) => Ok(Keypair::check_passphrase(text)?),
            Passphrase::Derived(_) => Ok(()),
        }
    }
}
