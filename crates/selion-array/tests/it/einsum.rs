//! Einstein's sums, compared with their definition.

use proptest::prelude::*;
use selion_array::{Array, Chunks, einsum};
use selion_core::{B8, Chunk, DType};

use crate::evaluate::evaluate;
use crate::naive::{Case, Naive, blocks, case_of, check, coordinates};

/// The sum over all labels of the product of the operands, by the definition; no ellipsis, explicit output.
fn by_definition(subscripts: &str, operands: &[&Naive]) -> Naive {
    let (from, to) = subscripts.split_once("->").unwrap();
    let terms: Vec<&str> = from.split(',').collect();
    let mut labels: Vec<char> = to.chars().collect();
    labels.extend(from.chars().filter(|c| c.is_alphabetic()));
    let mut seen = Vec::new();
    labels.retain(|label| {
        !seen.contains(label) && {
            seen.push(*label);
            true
        }
    });
    let len = |label: char| {
        let axes = terms.iter().zip(operands).flat_map(|(term, x)| term.chars().zip(x.shape.iter().copied()));
        axes.filter(|(own, _)| *own == label).map(|(_, len)| len).max().unwrap()
    };
    let shape: Vec<usize> = labels.iter().map(|label| len(*label)).collect();
    let out = to.chars().count();
    let mut sum = Naive { shape: shape[..out].to_vec(), data: vec![0; shape[..out].iter().product()] };
    for at in coordinates(&shape) {
        let product: i64 =
            terms
                .iter()
                .zip(operands)
                .map(|(term, x)| {
                    let own: Vec<usize> =
                        term.chars()
                            .zip(&x.shape)
                            .map(|(label, len)| {
                                if *len == 1 { 0 } else { at[labels.iter().position(|other| *other == label).unwrap()] }
                            })
                            .collect();
                    x.at(&own)
                })
                .product();
        let place = at[..out].iter().zip(&shape).fold(0, |place, (at, len)| place * len + at);
        sum.data[place] += product;
    }
    sum
}

const SPECS: [&str; 26] = [
    "ij,jk->ik",
    "ij,jk->ki",
    "ij,ij->",
    "ij,ij->i",
    "ij,ij->ij",
    "ij,ij->ji",
    "i,j->ij",
    "i,i->",
    "ij->",
    "ij->i",
    "ij->ji",
    "ii->i",
    "ii->",
    "ii,i->i",
    "bij,bjk->bik",
    "bij,jk->bik",
    "ij,kj,kl->il",
    "ij,jk,ki->",
    "ijk,jk->i",
    "ij,k->kij",
    "iji,j->i",
    "ij,j->i",
    "i,ij,j->",
    "ab,bc,cd,de->ae",
    "ijk->kj",
    "ij,ik,il->jkl",
];

fn cases() -> impl Strategy<Value = (&'static str, Vec<Case>)> {
    (0..SPECS.len(), proptest::collection::vec(0usize..5, 26), any::<u8>()).prop_flat_map(|(spec, lens, ones)| {
        let terms = SPECS[spec].split_once("->").unwrap().0.split(',').enumerate();
        let cases: Vec<BoxedStrategy<Case>> = terms
            .map(|(number, term)| {
                // Some operands have an axis of length 1, which broadcasts; not so where a label repeats within an operand.
                let repeats = term.chars().enumerate().any(|(k, label)| term[..k].contains(label));
                let shape = term.chars().enumerate().map(|(axis, label)| {
                    let one = !repeats && ones >> ((number + 2 * axis) % 8) & 1 == 1 && number % 2 == 1;
                    if one { 1 } else { lens[label as usize - 'a' as usize] }
                });
                case_of(shape.collect()).boxed()
            })
            .collect();
        (Just(SPECS[spec]), cases)
    })
}

proptest! {
    #[test]
    fn sums_are_those_of_the_definition((spec, cases) in cases()) {
        let operands: Vec<Array> = cases.iter().map(Case::array).collect();
        // An axis of length 1 in all operands, or 0 beside 1, has the length of its longest.
        let naive: Vec<&Naive> = cases.iter().map(|case| &case.naive).collect();
        let empty = naive.iter().any(|x| x.shape.contains(&0));
        if empty && naive.iter().any(|x| x.shape.contains(&1)) {
            return Ok(());
        }
        check(&einsum(spec, &operands, None).unwrap(), &by_definition(spec, &naive));
    }

    #[test]
    fn ellipses_broadcast(a in case_of(vec![2, 3, 4]), b in case_of(vec![3, 4, 5]), c in case_of(vec![4, 5])) {
        let (x, y, z) = (a.array(), b.array(), c.array());
        let want = by_definition("aij,ajk->aik", &[
            &Naive { shape: vec![1, 2 * 3, 4], data: a.naive.data.clone() },
            &Naive { shape: vec![1, 4, 5], data: c.naive.data.clone() },
        ]);
        let got = einsum("...ij,jk->...ik", &[x.clone(), z], None).unwrap();
        prop_assert_eq!(evaluate(&got).to_vec::<i64>(), want.data);
        let got = einsum("i...,...k", &[x.clone(), y.clone()], None).unwrap();
        check(&got, &by_definition("iab,abk->abik", &[&a.naive, &b.naive]));
        check(&einsum("ba...", &[x], None).unwrap(), &by_definition("bac->cab", &[&a.naive]));
    }

    #[test]
    fn floats_and_booleans(chunks in (blocks(&[4, 6]), blocks(&[6, 3]))) {
        let bits = |shape: &[usize], step: usize| {
            let len = shape.iter().product::<usize>();
            Chunk::from_values(shape, &(0..len).map(|k| B8::from(k % step == 0)).collect::<Vec<_>>())
        };
        let (a, b) = (bits(&[4, 6], 3), bits(&[6, 3], 2));
        let array = |chunk: &Chunk, lens: &[Vec<usize>]| {
            Array::from_chunk(chunk.clone(), Some(Chunks::from_lens(lens))).unwrap()
        };
        let (x, y) = (array(&a, &chunks.0), array(&b, &chunks.1));
        for dtype in [DType::Bool, DType::F32, DType::C128] {
            let got = einsum("ij,jk->ik", &[x.clone(), y.clone()], Some(dtype)).unwrap();
            let want = selion_kernels::blocks::linear::matmul(
                &selion_kernels::program::cast(&a, dtype).unwrap(),
                &selion_kernels::program::cast(&b, dtype).unwrap(),
            );
            prop_assert_eq!(crate::evaluate::bytes(&evaluate(&got)), crate::evaluate::bytes(&want.unwrap()));
        }
        let any = evaluate(&einsum("ij->i", &[x], None).unwrap());
        prop_assert_eq!(any.dtype(), DType::Bool);
        prop_assert!(any.to_vec::<B8>().iter().all(|x| x.get()));
    }
}

#[test]
fn subscripts_must_fit() {
    let ones = |shape: &[usize]| Array::ones(shape, DType::F64, None).unwrap();
    let error = |spec: &str, shapes: &[&[usize]]| {
        let operands: Vec<Array> = shapes.iter().map(|shape| ones(shape)).collect();
        einsum(spec, &operands, None).unwrap_err().to_string()
    };
    assert_eq!(
        error("ij->k", &[&[2, 2]]),
        "einstein sum subscripts string included output subscript 'k' which never appeared in an input"
    );
    assert_eq!(
        error("ij->ii", &[&[2, 2]]),
        "einstein sum subscripts string includes output subscript 'i' multiple times"
    );
    assert_eq!(error("ijk", &[&[2, 2]]), "einstein sum subscripts string contains too many subscripts for operand 0");
    assert!(error("i", &[&[2, 2]]).starts_with("operand has more dimensions than subscripts given in einstein sum"));
    assert_eq!(
        error("i,j", &[&[2]]),
        "fewer operands provided to einstein sum function than specified in the subscripts string"
    );
    assert_eq!(
        error("i", &[&[2], &[2]]),
        "more operands provided to einstein sum function than specified in the subscripts string"
    );
    assert_eq!(error("ii", &[&[2, 3]]), "dimensions in operand 0 for collapsing index 'i' don't match (2 != 3)");
    assert!(error("ij,jk", &[&[2, 3], &[4, 5]]).starts_with("operands could not be broadcast together"));
    assert!(error("i1", &[&[2, 3]]).starts_with("invalid subscript '1' in einstein sum subscripts string"));
}
