//! The nouns of selion.
