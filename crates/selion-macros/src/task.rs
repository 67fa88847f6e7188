//! From a function as written to one that writes its calls down.
//!
//! The function itself moves into the body of the new one. That turns arguments into slots and gives them, with the
//! function, to `selion::delayed::typed`, where everything happens that can be done without generating code.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, FnArg, GenericArgument, GenericParam, Ident, ItemFn, Pat, PathArguments, Result, ReturnType,
    Type, TypeParamBound, WherePredicate,
};

use crate::options::Options;

pub(crate) fn expand(options: &Options, function: ItemFn) -> Result<TokenStream> {
    check(&function)?;
    let parameters: Vec<Parameter> = function.sig.inputs.iter().map(Parameter::of).collect::<Result<_>>()?;
    let (value, fallible) = value_type(&function.sig.output)?;

    let (outer, inner) = attributes(&function.attrs);
    let (vis, name, block) = (&function.vis, &function.sig.ident, &function.block);
    let (generics, (_, turbofish, bounds)) = (&function.sig.generics, function.sig.generics.split_for_impl());
    let turbofish = turbofish.as_turbofish();
    let signature = &function.sig;
    let typed = quote!(::selion::delayed::typed);

    let arguments = parameters.iter().map(|Parameter { name, owned, .. }| {
        quote_spanned!(owned.span()=> #name: impl ::core::convert::Into<#typed::Arg<#owned>>)
    });
    let names: Vec<&Ident> = parameters.iter().map(|parameter| &parameter.name).collect();
    let [inputs, given, id, settings] = ["inputs", "given", "id", "settings"].map(local);
    let count = parameters.len();

    // What is borrowed comes after all that is moved.
    let (borrowed, moved): (Vec<&Parameter>, Vec<&Parameter>) = parameters.iter().partition(|one| one.borrowed);
    let from_slot = |parameter: &&Parameter, given: TokenStream, how: &str| {
        let (name, text, span) = (&parameter.name, parameter.name.to_string(), parameter.owned.span());
        let how = Ident::new(how, span);
        quote_spanned!(span=> #[allow(clippy::let_unit_value)] let #name = #name.#how(#given, #text)?;)
    };
    let moved = moved.iter().map(|parameter| from_slot(parameter, quote!(#given), "take"));
    let borrowed = borrowed.iter().map(|parameter| from_slot(parameter, quote!(&*#given), "borrow"));
    let call = if fallible {
        quote!(#name #turbofish(#(#names),*).map_err(::core::convert::Into::<#typed::TaskError>::into)?)
    } else {
        quote!(#name #turbofish(#(#names),*))
    };

    let label = options.name.as_ref().map_or_else(|| name.to_string(), |name| name.value());
    let identity = if options.pure {
        let hashed = parameters.iter().map(|Parameter { name, owned, .. }| quote_spanned!(owned.span()=> &#name));
        // Two functions of one path are told apart by their places in the source.
        quote! {
            ::core::option::Option::Some(#typed::identity(
                (::core::file!(), ::core::line!(), ::core::column!()),
                &#name #turbofish,
                [#(#typed::identity_of(#hashed)),*],
            ))
        }
    } else {
        quote!(::core::option::Option::None)
    };
    let said = match (options.retries, options.priority) {
        (None, None) => quote!(::core::option::Option::None),
        (retries, priority) => {
            let (retries, priority) = (retries.unwrap_or(0), priority.unwrap_or(0));
            quote! {{
                static SETTINGS: ::std::sync::OnceLock<#typed::Settings> = ::std::sync::OnceLock::new();
                let said = || #typed::settings(#retries, #priority);
                ::core::option::Option::Some(::std::sync::Arc::clone(SETTINGS.get_or_init(said)))
            }}
        }
    };

    Ok(quote! {
        #(#outer)*
        #vis fn #name #generics(#(#arguments),*) -> #typed::Lazy<#value> #bounds {
            #(#inner)*
            #signature #block

            #(let #names: #typed::Arg<_> = ::core::convert::Into::into(#names);)*
            let #id = #identity;
            let #settings = #said;
            let mut #inputs = #typed::Inputs::with_capacity(#count);
            #(let #names = #inputs.add(#names);)*
            #inputs.call(#label, #id, #settings, move |#given| {
                #(#moved)*
                #(#borrowed)*
                ::core::result::Result::Ok(#typed::to_value(#call))
            })
        }
    })
}

/// A name that nothing in the function can clash with.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

struct Parameter {
    name: Ident,
    /// The type of the value that it is made of.
    owned: TokenStream,
    borrowed: bool,
}

impl Parameter {
    fn of(argument: &FnArg) -> Result<Self> {
        let typed = match argument {
            FnArg::Typed(typed) => typed,
            FnArg::Receiver(receiver) => {
                let text = "a task is a function, not a method: give it what it needs of `self` as parameters";
                return Err(Error::new_spanned(receiver, text));
            }
        };
        let name = match &*typed.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => pat.ident.clone(),
            pattern => return Err(Error::new_spanned(pattern, "a task's parameter is a name, not a pattern")),
        };
        let (owned, borrowed) = match bare(&typed.ty) {
            Type::Reference(reference) => match &reference.lifetime {
                Some(lifetime) if lifetime.ident == "static" => (quote!(#reference), false),
                Some(lifetime) => {
                    return Err(Error::new_spanned(
                        lifetime,
                        "what a task borrows lives as long as its call: leave the lifetime out",
                    ));
                }
                None if reference.mutability.is_some() => {
                    let text = "a value that tasks share cannot be changed: take it by value and return it";
                    return Err(Error::new_spanned(reference, text));
                }
                None => (owned_by(&reference.elem)?, true),
            },
            Type::ImplTrait(ty) => return Err(Error::new_spanned(ty, "name the type: `fn f<T: … + 'static>(x: T)`")),
            ty => (quote!(#ty), false),
        };
        Ok(Parameter { name, owned, borrowed })
    }
}

/// A type without the invisible parentheses that it has if it comes from another macro.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        ty => ty,
    }
}

/// What owns a borrowed value of type `ty`.
fn owned_by(ty: &Type) -> Result<TokenStream> {
    match bare(ty) {
        Type::Slice(slice) => {
            let elem = &slice.elem;
            Ok(quote_spanned!(slice.span()=> ::std::vec::Vec<#elem>))
        }
        Type::Path(path) if path.path.is_ident("str") => Ok(quote_spanned!(ty.span()=> ::std::string::String)),
        Type::TraitObject(_) => Err(Error::new_spanned(ty, "a task borrows values of a known type")),
        _ => Ok(quote!(#ty)),
    }
}

/// Refuses what cannot be a task.
fn check(function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    if let Some(word) = &signature.asyncness {
        return Err(Error::new_spanned(word, "a task is not async: it has a thread of its own while it runs"));
    }
    if let Some(word) = &signature.constness {
        return Err(Error::new_spanned(word, "a task runs later, so it cannot be const"));
    }
    if let Some(abi) = &signature.abi {
        return Err(Error::new_spanned(abi, "a task is a Rust function"));
    }
    let names = signature.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(typed) => Some(&typed.pat),
        FnArg::Receiver(_) => None,
    });
    for pattern in names {
        if matches!(&**pattern, Pat::Ident(pat) if pat.ident == signature.ident) {
            return Err(Error::new_spanned(pattern, "a task's parameter cannot have the task's own name"));
        }
    }
    for parameter in &signature.generics.params {
        match parameter {
            GenericParam::Lifetime(lifetime) => {
                let text = "a task runs when its caller may be gone: it has no lifetime parameters";
                return Err(Error::new_spanned(lifetime, text));
            }
            GenericParam::Type(ty) => {
                let bounds = bounds_of(function, &ty.ident).chain(&ty.bounds);
                if !bounds.into_iter().any(is_static) {
                    let text =
                        format!("a task runs when its caller may be gone: `{}` needs the bound `'static`", ty.ident);
                    return Err(Error::new_spanned(ty, text));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The bounds of a type parameter in the `where` clause.
fn bounds_of<'a>(function: &'a ItemFn, parameter: &'a Ident) -> impl Iterator<Item = &'a TypeParamBound> {
    let clause = function.sig.generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    let of_it = clause.filter_map(move |predicate| match predicate {
        WherePredicate::Type(of) => {
            matches!(&of.bounded_ty, Type::Path(path) if path.path.is_ident(parameter)).then_some(&of.bounds)
        }
        _ => None,
    });
    of_it.flatten()
}

fn is_static(bound: &TypeParamBound) -> bool {
    matches!(bound, TypeParamBound::Lifetime(lifetime) if lifetime.ident == "static")
        || matches!(bound, TypeParamBound::Trait(of) if of.path.segments.last().is_some_and(|last| last.ident == "Any"))
}

/// The type of the value that a function gives, and whether it may give an error instead.
fn value_type(output: &ReturnType) -> Result<(TokenStream, bool)> {
    let ty = match output {
        ReturnType::Default => return Ok((quote!(()), false)),
        ReturnType::Type(_, ty) => bare(ty),
    };
    match ty {
        Type::ImplTrait(_) => Err(Error::new_spanned(ty, "name the type that the task gives")),
        Type::Reference(reference) if reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static") => {
            Err(Error::new_spanned(ty, "a task gives a value of its own, not a reference"))
        }
        Type::Path(path) => match path.path.segments.last() {
            Some(last) if last.ident == "Result" => match &last.arguments {
                PathArguments::AngleBracketed(arguments) => match arguments.args.first() {
                    Some(GenericArgument::Type(value)) => Ok((quote!(#value), true)),
                    _ => Err(Error::new_spanned(ty, "say what the task gives: `Result<T, E>`")),
                },
                _ => Err(Error::new_spanned(ty, "say what the task gives: `Result<T, E>`")),
            },
            _ => Ok((quote!(#ty), false)),
        },
        _ => Ok((quote!(#ty), false)),
    }
}

/// The attributes of the new function, and of the one that moves into it: lints concern both.
fn attributes(attributes: &[Attribute]) -> (Vec<&Attribute>, Vec<&Attribute>) {
    let is = |attribute: &Attribute, names: &[&str]| names.iter().any(|name| attribute.path().is_ident(name));
    let outer = attributes.iter().filter(|one| !is(one, &["expect", "inline", "cold", "track_caller"]));
    let inner = attributes
        .iter()
        .filter(|one| is(one, &["allow", "expect", "warn", "deny", "forbid", "inline", "cold", "track_caller"]));
    (outer.collect(), inner.collect())
}
