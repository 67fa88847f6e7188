//! Einstein's sums: products of arrays whose axes have labels, summed over the labels that the result lacks.
//!
//! Subscripts are NumPy's. Diagonals of repeated labels are taken first, and labels that one operand alone has and nobody
//! needs are summed away. Then two operands at a time become one, those first whose result is smallest: a pair without
//! labels of its own on either side is multiplied element by element and reduced, which is one fused program; any other
//! pair is a blocked matrix product (see `contract.rs`).

use selion_core::{DType, promote};
use selion_kernels::program::{Op, OpError};
use smallvec::SmallVec;

use crate::chunks::UNKNOWN;
use crate::contract::{Role, contract};
use crate::error::{ArrayError, Result};
use crate::expr::Array;
use crate::reduce::ReduceKind;

/// A letter; or an axis that `...` stands for, counted from the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Ellipsis(usize),
    Letter(char),
}

/// An array and the labels of its axes.
#[derive(Clone)]
struct Term {
    array: Array,
    labels: Vec<Label>,
}

fn wrong<T>(what: impl Into<String>) -> Result<T> {
    Err(ArrayError::Value(what.into()))
}

/// The labels of one operand or of the output, where `...` stands for `extra` axes (none if they are too few).
fn labels(text: &str, extra: Option<usize>) -> Result<Vec<Label>> {
    let mut labels = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("...") {
            labels.extend((0..extra.unwrap_or(0)).rev().map(Label::Ellipsis));
            rest = after;
            continue;
        }
        if letter == '.' {
            return wrong("einstein sum subscripts string contains a '.' that is not part of an ellipsis ('...')");
        }
        if !letter.is_ascii_alphabetic() {
            return wrong(format!(
                "invalid subscript '{letter}' in einstein sum subscripts string, subscripts must be letters"
            ));
        }
        labels.push(Label::Letter(letter));
        rest = &rest[letter.len_utf8()..];
    }
    Ok(labels)
}

/// The operands with their labels, and the labels of the result.
fn parse(subscripts: &str, operands: &[Array]) -> Result<(Vec<Term>, Vec<Label>)> {
    let text: String = subscripts.chars().filter(|c| !c.is_whitespace()).collect();
    let (from, to) = match text.split_once("->") {
        Some((from, to)) => (from, Some(to)),
        None => (text.as_str(), None),
    };
    let parts: Vec<&str> = from.split(',').collect();
    if parts.len() > operands.len() {
        return wrong("fewer operands provided to einstein sum function than specified in the subscripts string");
    }
    if parts.len() < operands.len() {
        return wrong("more operands provided to einstein sum function than specified in the subscripts string");
    }
    let mut terms = Vec::with_capacity(operands.len());
    let mut ellipsis = 0;
    for (number, (text, array)) in parts.iter().zip(operands).enumerate() {
        let letters = labels(text, None)?.len();
        let extra = array.ndim().checked_sub(letters);
        match extra {
            None => {
                return wrong(format!(
                    "einstein sum subscripts string contains too many subscripts for operand {number}"
                ));
            }
            Some(extra) if extra > 0 && !text.contains("...") => {
                return wrong(
                    "operand has more dimensions than subscripts given in einstein sum, but no '...' ellipsis provided \
                     to broadcast the extra dimensions.",
                );
            }
            Some(extra) => ellipsis = ellipsis.max(extra),
        }
        terms.push(Term { array: array.clone(), labels: labels(text, extra)? });
    }
    let all: Vec<Label> = terms.iter().flat_map(|term| term.labels.iter().copied()).collect();
    let out = match to {
        Some(to) => {
            if ellipsis > 0 && !to.contains("...") {
                return wrong(
                    "output has ellipsis dimensions to broadcast, but no '...' in the output of the einstein sum",
                );
            }
            labels(to, Some(ellipsis))?
        }
        None => {
            // Broadcast axes, then the letters that occur once, in alphabetical order.
            let mut once: Vec<Label> = all.iter().copied().filter(|label| matches!(label, Label::Letter(_))).collect();
            once.retain(|label| all.iter().filter(|other| *other == label).count() == 1);
            once.sort_unstable();
            (0..ellipsis).rev().map(Label::Ellipsis).chain(once).collect()
        }
    };
    for (k, label) in out.iter().enumerate() {
        let Label::Letter(letter) = label else { continue };
        if out[..k].contains(label) {
            return wrong(format!(
                "einstein sum subscripts string includes output subscript '{letter}' multiple times"
            ));
        }
        if !all.contains(label) {
            return wrong(format!(
                "einstein sum subscripts string included output subscript '{letter}' which never appeared in an input"
            ));
        }
    }
    Ok((terms, out))
}

impl Term {
    fn axis(&self, label: Label) -> Option<usize> {
        self.labels.iter().position(|own| *own == label)
    }

    /// Each label once: where one repeats, the diagonal.
    fn without_repeats(mut self, number: usize) -> Result<Term> {
        while let Some((first, second)) = (0..self.labels.len())
            .find_map(|k| self.labels[..k].iter().position(|other| *other == self.labels[k]).map(|first| (first, k)))
        {
            let shape = self.array.shape();
            if shape[first] != shape[second] {
                let Label::Letter(letter) = self.labels[first] else { return wrong("an ellipsis repeats") };
                return wrong(format!(
                    "dimensions in operand {number} for collapsing index '{letter}' don't match ({} != {})",
                    shape[first], shape[second]
                ));
            }
            let label = self.labels[first];
            self.array = self.array.diagonal(0, first as isize, second as isize)?;
            self.labels.retain(|own| *own != label);
            self.labels.push(label);
        }
        Ok(self)
    }

    /// Without the axes of length 1 that broadcast along a longer one of the same label.
    fn without_broadcasts(mut self, len: impl Fn(Label) -> usize) -> Result<Term> {
        let shape = self.array.shape();
        let drop: Vec<usize> =
            (0..shape.len()).filter(|axis| shape[*axis] == 1 && len(self.labels[*axis]) != 1).collect();
        if !drop.is_empty() {
            let axes: Vec<isize> = drop.iter().map(|axis| *axis as isize).collect();
            self.array = self.array.squeeze(Some(&axes))?;
            let mut axis = 0;
            self.labels.retain(|_| {
                axis += 1;
                !drop.contains(&(axis - 1))
            });
        }
        Ok(self)
    }

    /// The sum over the labels that are not needed, in the same dtype.
    fn summed(self, needed: impl Fn(Label) -> bool) -> Result<Term> {
        let axes: Vec<isize> =
            (0..self.labels.len()).filter(|axis| !needed(self.labels[*axis])).map(|axis| axis as isize).collect();
        if axes.is_empty() {
            return Ok(self);
        }
        let dtype = self.array.dtype();
        let kind = if dtype == DType::Bool { ReduceKind::Any } else { ReduceKind::Sum };
        let array = self.array.reduce(kind, Some(&axes), false, 0.0, 0)?.astype(dtype)?;
        Ok(Term { array, labels: self.labels.into_iter().filter(|label| needed(*label)).collect() })
    }

    /// The axes in the order of `labels`, with an axis of length 1 for each that it lacks.
    fn arranged(&self, labels: &[Label]) -> Result<Array> {
        let order: Vec<isize> = labels.iter().filter_map(|label| self.axis(*label)).map(|axis| axis as isize).collect();
        let missing: Vec<isize> =
            (0..labels.len()).filter(|k| self.axis(labels[*k]).is_none()).map(|k| k as isize).collect();
        self.array.transpose(Some(&order))?.expand_dims(&missing)
    }
}

/// The product of two terms, summed over the labels that are not needed.
fn product(a: &Term, b: &Term, needed: impl Fn(Label) -> bool) -> Result<Term> {
    let both = |label: &Label| a.labels.contains(label) && b.labels.contains(label);
    let shared: Vec<Label> = a.labels.iter().copied().filter(both).collect();
    let batch: Vec<Label> = shared.iter().copied().filter(|label| needed(*label)).collect();
    let summed: Vec<Label> = shared.iter().copied().filter(|label| !needed(*label)).collect();
    let own = |term: &Term| -> Vec<Label> { term.labels.iter().copied().filter(|label| !both(label)).collect() };
    let (free_a, free_b) = (own(a), own(b));
    if summed.is_empty() || (free_a.is_empty() && free_b.is_empty()) {
        let labels = [&batch[..], &free_a, &free_b, &summed].concat();
        let array = a.arranged(&labels)?.binary(Op::Multiply, &b.arranged(&labels)?)?;
        return Term { array, labels }.summed(needed);
    }
    let place = |labels: &[Label], label: &Label| labels.iter().position(|other| other == label);
    let roles = |term: &Term, free: &[Label], first: usize| -> SmallVec<[Role; 4]> {
        let role = |label: &Label| match (place(&batch, label), place(&summed, label), place(free, label)) {
            (Some(at), ..) => Role::Batch(at),
            (_, Some(number), _) => Role::Sum(number),
            (_, _, at) => Role::Free(first + at.unwrap_or(0)),
        };
        term.labels.iter().map(role).collect()
    };
    let roles = [roles(a, &free_a, batch.len()), roles(b, &free_b, batch.len() + free_a.len())];
    let array = contract("einsum", [&a.array, &b.array], roles, batch.len())?;
    Ok(Term { array, labels: [batch, free_a, free_b].concat() })
}

/// Einstein's sum of arrays, with NumPy's subscripts: `"ij,jk->ik"` is the matrix product.
///
/// All are cast to `dtype`, or to the dtype to which theirs promote; the result has it.
///
/// # Errors
/// [`ArrayError::Value`], in NumPy's words, for subscripts that do not fit; [`ArrayError::Broadcast`] for a label with two
/// lengths; [`ArrayError::Op`] for datetimes.
///
/// # Examples
/// ```
/// use selion_array::{Array, einsum};
/// use selion_core::DType;
/// let (a, b) = (Array::ones(&[5, 4, 3], DType::F32, None)?, Array::ones(&[5, 3, 2], DType::F32, None)?);
/// let c = einsum("bij,bjk->bik", &[a.clone(), b.clone()], None)?;
/// assert_eq!(c.shape().as_slice(), [5, 4, 2]);
/// assert_eq!(einsum("...ij->...ji", &[a], None)?.shape().as_slice(), [5, 3, 4]);
/// # Ok::<(), selion_array::ArrayError>(())
/// ```
pub fn einsum(subscripts: &str, operands: &[Array], dtype: Option<DType>) -> Result<Array> {
    let Some(first) = operands.first() else {
        return wrong(
            "must specify the einstein sum subscripts string and at least one operand, or at least one operand \
                      and its corresponding subscripts list",
        );
    };
    let (mut terms, out) = parse(subscripts, operands)?;
    let common = operands.iter().try_fold(first.dtype(), |common, array| promote(common, array.dtype()))?;
    let dtype = dtype.unwrap_or(common);
    if dtype.is_time() || common.is_time() {
        return Err(OpError::Unsupported { op: "einsum", dtypes: operands.iter().map(Array::dtype).collect() }.into());
    }
    for (number, term) in terms.iter_mut().enumerate() {
        let cast = Term { array: term.array.astype(dtype)?, labels: term.labels.clone() };
        *term = cast.without_repeats(number)?;
    }

    // The length of each label; those of 1 broadcast.
    let mut lens: Vec<(Label, usize)> = Vec::new();
    for term in &terms {
        for (label, len) in term.labels.iter().zip(term.array.shape()) {
            match lens.iter_mut().find(|(known, _)| known == label) {
                None => lens.push((*label, len)),
                Some((_, known)) if *known == 1 || *known == UNKNOWN && len != 1 => *known = len,
                Some((_, known)) if len == 1 || len == *known || len == UNKNOWN => {}
                Some(_) => {
                    return Err(ArrayError::Broadcast(operands.iter().map(|array| array.shape().to_vec()).collect()));
                }
            }
        }
    }
    let len = |label: Label| lens.iter().find(|(known, _)| *known == label).map_or(1, |(_, len)| *len);
    terms = terms.into_iter().map(|term| term.without_broadcasts(len)).collect::<Result<_>>()?;
    for number in 0..terms.len() {
        let elsewhere = |label: Label| {
            out.contains(&label)
                || terms.iter().enumerate().any(|(k, other)| k != number && other.labels.contains(&label))
        };
        terms[number] = terms[number].clone().summed(elsewhere)?;
    }

    while terms.len() > 1 {
        let (i, j) = cheapest(&terms, &out, len);
        let b = terms.remove(j);
        let a = terms.remove(i);
        let rest = &terms;
        let needed = |label: Label| out.contains(&label) || rest.iter().any(|term| term.labels.contains(&label));
        let joined = product(&a, &b, needed)?;
        terms.insert(i, joined);
    }
    match terms.pop() {
        Some(term) => term.arranged(&out),
        None => Ok(first.clone()),
    }
}

/// The pair of terms whose product is smallest; of equal ones, the first.
fn cheapest(terms: &[Term], out: &[Label], len: impl Fn(Label) -> usize) -> (usize, usize) {
    let mut best = ((0, 1), f64::INFINITY);
    for j in 1..terms.len() {
        for i in 0..j {
            let needed = |label: &Label| {
                let others = terms.iter().enumerate().filter(|(k, _)| *k != i && *k != j);
                out.contains(label) || others.into_iter().any(|(_, term)| term.labels.contains(label))
            };
            let mut labels = [&terms[i].labels[..], &terms[j].labels].concat();
            labels.sort_unstable();
            labels.dedup();
            let size: f64 = labels.iter().filter(|label| needed(label)).map(|label| len(*label) as f64).product();
            if size < best.1 {
                best = ((i, j), size);
            }
        }
    }
    best.0
}
