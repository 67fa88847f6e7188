//! `#[selion::task]`: Rust functions that are called later.

#![forbid(unsafe_code)]

mod options;
mod task;

use proc_macro::TokenStream;

/// Makes a function lazily callable.
///
/// The function takes, for each parameter of type `T`, anything that is [`Into<Arg<T>>`]: a plain value, or a `Lazy<T>`
/// (or a reference to one), which is a value to come. It returns at once, with a `Lazy` of its result. Inside of its
/// own body its name means the function as written.
///
/// ```
/// use selion::prelude::*;
///
/// #[selion::task]
/// fn inc(x: i64) -> i64 {
///     x + 1
/// }
///
/// #[selion::task]
/// fn add(x: i64, y: i64) -> i64 {
///     x + y
/// }
///
/// let total = add(inc(1), inc(2));
/// assert_eq!(total.compute()?, 5);
/// # Ok::<(), selion::Error>(())
/// ```
///
/// # Parameters
///
/// A parameter by value is `Clone + Send + Sync + 'static`. A value to come is moved into the task if nobody else needs
/// it, and cloned otherwise. A parameter by reference, `&T`, is borrowed from the value that all tasks share, without a
/// clone; `&[T]` takes a `Vec<T>` to come, and `&str` a `String`.
///
/// ```
/// # use selion::prelude::*;
/// #[selion::task]
/// fn total(values: &[f64]) -> f64 {
///     values.iter().sum()
/// }
///
/// #[selion::task]
/// fn numbers(count: usize) -> Vec<f64> {
///     (0..count).map(|k| k as f64).collect()
/// }
///
/// assert_eq!(total(numbers(4_usize)).compute()?, 6.0);
/// # Ok::<(), selion::Error>(())
/// ```
///
/// A generic function's type parameters are `'static`; where an argument is lazy they have to be said, as in
/// `first::<f64>(&x)`.
///
/// # Errors
///
/// A function that returns a `Result<T, E>`, where `E` is `Into<Box<dyn Error + Send + Sync>>`, gives a `Lazy<T>`, and
/// its error is that of the task. So is a panic. (What counts is the name `Result`, with the value's type first.)
///
/// ```
/// # use selion::prelude::*;
/// #[selion::task]
/// fn parse(text: &str) -> Result<i64, std::num::ParseIntError> {
///     text.parse()
/// }
///
/// assert_eq!(parse("12").compute()?, 12);
/// let error = parse("twelve").compute().unwrap_err().to_string();
/// assert!(error.starts_with("task parse-") && error.ends_with("invalid digit found in string"));
/// # Ok::<(), selion::Error>(())
/// ```
///
/// # Options
///
/// * `pure`: calls with equal arguments are one call. All parameters must be `Hash`.
/// * `name = "…"`: what keys start with and pictures show, instead of the function's name.
/// * `retries = n`: how often it is tried again after an error or a panic.
/// * `priority = n`: tasks of higher priority run first, together with what they need.
///
/// ```
/// # use selion::prelude::*;
/// #[selion::task(pure, name = "load", priority = 1)]
/// fn load_file(path: String) -> usize {
///     path.len()
/// }
///
/// assert_eq!(load_file("a.csv").key(), load_file("a.csv").key());
/// assert!(load_file("a.csv").key().starts_with("load-"));
/// ```
///
/// # What does not compile
///
/// Functions that are `async` (tasks have threads of their own), methods, patterns as parameters, `&mut` parameters:
///
/// ```compile_fail
/// #[selion::task]
/// async fn later() {}
/// ```
/// ```compile_fail
/// struct Counter;
/// impl Counter {
///     #[selion::task]
///     fn count(&self) {}
/// }
/// ```
/// ```compile_fail
/// #[selion::task]
/// fn swap((a, b): (i64, i64)) -> (i64, i64) {
///     (b, a)
/// }
/// ```
/// ```compile_fail
/// #[selion::task]
/// fn push(values: &mut Vec<i64>) {}
/// ```
///
/// Type parameters that might hold references, arguments of the wrong type, unknown options, and `pure` without `Hash`:
///
/// ```compile_fail
/// #[selion::task]
/// fn same<T: Clone + Send + Sync>(x: T) -> T {
///     x
/// }
/// ```
/// ```compile_fail
/// #[selion::task]
/// fn inc(x: i64) -> i64 {
///     x + 1
/// }
/// inc("one");
/// ```
/// ```compile_fail
/// #[selion::task(retry = 3)]
/// fn inc(x: i64) -> i64 {
///     x + 1
/// }
/// ```
/// ```compile_fail
/// #[selion::task(pure)]
/// fn half(x: f64) -> f64 {
///     x / 2.0
/// }
/// ```
///
/// [`Into<Arg<T>>`]: https://doc.rust-lang.org/std/convert/trait.Into.html
#[proc_macro_attribute]
pub fn task(options: TokenStream, function: TokenStream) -> TokenStream {
    let original = proc_macro2::TokenStream::from(function.clone());
    let made = syn::parse(options).and_then(|options| task::expand(&options, syn::parse(function)?));
    // With the function as it is, so that calls of it are not errors too.
    made.unwrap_or_else(|error| {
        let error = error.to_compile_error();
        quote::quote!(#error #original)
    })
    .into()
}
