//! Transcendental functions on slices.
