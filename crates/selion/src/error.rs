//! Everything that can go wrong between an expression and its values.

use selion_array::ArrayError;
use selion_core::{ExecError, SourceError};

use crate::settings::SettingError;

/// Any error of selion.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The expression is not possible.
    #[error(transparent)]
    Array(#[from] ArrayError),
    /// Running it failed.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// Storage could not be opened or made.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A setting is not one.
    #[error(transparent)]
    Setting(#[from] SettingError),
}
