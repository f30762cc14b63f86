//! JSON columns that are read with their row: what this version does not understand concerns that row, and not the whole
//! statement.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use sqlx::types::JsonRawValue;

use super::StoreError;

/// The value of a JSON column, or why it cannot be read.
#[derive(Debug, Clone)]
pub(super) struct Checked<T>(Result<T, String>);

impl<T> Checked<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Ok(value))
    }

    /// The value.
    ///
    /// # Errors
    /// If the row with this id is corrupt.
    pub(super) fn of(self, table: &'static str, id: impl ToString) -> Result<T, StoreError> {
        self.0.map_err(|what| StoreError::corrupt(table, id, what))
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(column: D) -> Result<Self, D::Error> {
        let text = <&JsonRawValue>::deserialize(column)?;
        // serde's own message may quote the value, and thus what a customer wrote.
        let what =
            |error: serde_json::Error| format!("JSON that is not understood at its character {}", error.column());
        Ok(Self(serde_json::from_str(text.get()).map_err(what)))
    }
}

impl<T: Serialize> Serialize for Checked<T> {
    fn serialize<S: Serializer>(&self, column: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().map_err(ser::Error::custom)?.serialize(column)
    }
}

#[cfg(test)]
mod tests {
    use sqlx::types::Json;

    use super::*;

    #[test]
    fn a_value_that_is_not_understood_is_an_error_of_its_row_and_is_not_quoted() {
        let column = |text: &str| Json::<Checked<u32>>::decode_from_string(text).map(|read| read.0.of("numbers", 1));
        assert!(matches!(column("7"), Ok(Ok(7))));
        let Ok(Err(error)) = column(r#""My sink is blocked""#) else { panic!("it was read, or failed its statement") };
        assert!(matches!(error, StoreError::Corrupt { table: "numbers", .. }), "{error}");
        assert!(!error.to_string().contains("sink"), "{error}");
    }
}
