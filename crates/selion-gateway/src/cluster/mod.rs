//! One cluster: what is known of it (`model`), what happens to it (`machine`), and all of them (`manager`).

pub mod machine;
pub mod manager;
pub mod model;
