//! The names of dangers and languages, as they are kept and shown.

use super::{Language, LifeSafety};

impl LifeSafety {
    /// Its name: `gas`, `carbon_monoxide` or `fire`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gas => "gas",
            Self::CarbonMonoxide => "carbon_monoxide",
            Self::Fire => "fire",
        }
    }
}

impl Language {
    /// Its ISO 639-1 code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Es => "es",
        }
    }
}
