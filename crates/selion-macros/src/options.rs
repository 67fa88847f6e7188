//! What is said in the parentheses of `#[selion::task(…)]`.

use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, LitInt, LitStr, Result, Token};

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) pure: bool,
    pub(crate) name: Option<LitStr>,
    pub(crate) retries: Option<u32>,
    pub(crate) priority: Option<i32>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Options::default();
        let mut seen: Vec<Ident> = Vec::new();
        while !input.is_empty() {
            let option: Ident = input.parse()?;
            if seen.contains(&option) {
                return Err(Error::new(option.span(), format!("{option} is said twice")));
            }
            match option.to_string().as_str() {
                "pure" => options.pure = true,
                "name" => options.name = Some(value(input)?),
                "retries" => options.retries = Some(value::<LitInt>(input)?.base10_parse()?),
                "priority" => {
                    input.parse::<Token![=]>()?;
                    let minus: Option<Token![-]> = input.parse()?;
                    let number: i32 = input.parse::<LitInt>()?.base10_parse()?;
                    options.priority = Some(if minus.is_some() { -number } else { number });
                }
                _ => {
                    let text = format!("{option} is no option of a task: they are pure, name, retries and priority");
                    return Err(Error::new(option.span(), text));
                }
            }
            seen.push(option);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

fn value<T: Parse>(input: ParseStream<'_>) -> Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}
