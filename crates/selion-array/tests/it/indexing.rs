//! Reading and writing by index, compared with a naive reading of NumPy's rules.

use proptest::prelude::*;
use selion_array::{Array, Chunks, Index, Operand, ReduceKind, UNKNOWN, ufunc};
use selion_kernels::program::Op;

use crate::evaluate::{bytes, evaluate};
use crate::naive::{Case, Naive, case, check, coordinates, counting};

/// One part of a random index, before it is fitted to an axis.
#[derive(Clone, Debug)]
enum Pick {
    Int(usize),
    Slice(Option<i64>, Option<i64>, i64),
    NewAxis,
    Ints(Vec<usize>, bool),
    Flags(u32),
}

fn pick() -> impl Strategy<Value = Pick> {
    let bound = || proptest::option::of(-8i64..8);
    prop_oneof![
        2 => any::<usize>().prop_map(Pick::Int),
        4 => (bound(), bound(), prop_oneof![-3i64..0, 1i64..4]).prop_map(|(a, b, c)| Pick::Slice(a, b, c)),
        1 => Just(Pick::NewAxis),
        2 => (proptest::collection::vec(any::<usize>(), 3), any::<bool>()).prop_map(|(k, tall)| Pick::Ints(k, tall)),
        1 => any::<u32>().prop_map(Pick::Flags),
    ]
}

/// The picks as an index into `shape`. Lists all broadcast to (2, 3) or have three elements.
fn fit(picks: &[Pick], shape: &[usize], ellipsis: Option<usize>) -> Vec<Index> {
    let mut index = Vec::new();
    let mut axis = 0;
    let mut flags = 0;
    for (k, pick) in picks.iter().enumerate() {
        if ellipsis == Some(k) {
            index.push(Index::Ellipsis);
        }
        let len = shape.get(axis).copied();
        match (pick, len) {
            (Pick::NewAxis, _) => index.push(Index::NewAxis),
            (_, None) => break,
            (Pick::Slice(start, stop, step), _) => {
                index.push(Index::Slice { start: *start, stop: *stop, step: Some(*step) });
                axis += 1;
            }
            (_, Some(0)) => {
                index.push(Index::full());
                axis += 1;
            }
            (Pick::Int(at), Some(len)) => {
                index.push(Index::Int((at % (2 * len)) as i64 - len as i64));
                axis += 1;
            }
            (Pick::Ints(at, tall), Some(len)) => {
                let values: Vec<i64> = at.iter().map(|at| (at % (2 * len)) as i64 - len as i64).collect();
                index.push(match tall {
                    true => Index::Ints { shape: vec![2, 1], values: values[..2].to_vec() },
                    false => Index::Ints { shape: vec![3], values },
                });
                axis += 1;
            }
            (Pick::Flags(bits), Some(len)) => {
                // Three true elements, so that it goes together with lists; only one such mask.
                let mut values: Vec<bool> = (0..len).map(|k| bits >> (k % 32) & 1 == 1).collect();
                let excess = values.iter().filter(|flag| **flag).count().saturating_sub(3);
                values.iter_mut().filter(|flag| **flag).take(excess).for_each(|flag| *flag = false);
                if values.iter().filter(|flag| **flag).count() == 3 && flags == 0 {
                    flags += 1;
                    index.push(Index::Bools { shape: vec![len], values });
                } else {
                    index.push(Index::full());
                }
                axis += 1;
            }
        }
    }
    // An ellipsis stands for whatever is left, so nothing before it may rely on the axes behind it.
    if let Some(at) = index.iter().position(|part| matches!(part, Index::Ellipsis)) {
        let taken = index.iter().filter(|part| !matches!(part, Index::NewAxis | Index::Ellipsis)).count();
        if taken < shape.len() {
            index.truncate(at + 1);
        }
    }
    index
}

/// The shape of the result, and for each of its coordinates the coordinate of the source.
fn naive_index(shape: &[usize], index: &[Index]) -> (Vec<usize>, Vec<Vec<usize>>) {
    enum Part {
        Drop(usize),
        Keep(Vec<usize>),
        New,
        List(Vec<usize>, Vec<usize>),
    }
    let taken = index.iter().filter(|part| !matches!(part, Index::NewAxis | Index::Ellipsis)).count();
    let mut parts: Vec<Option<Part>> = Vec::new(); // None: an ellipsis for nothing
    let mut axis = 0;
    for part in index {
        if let Index::Ellipsis = part {
            if taken == shape.len() {
                parts.push(None);
            }
            for _ in taken..shape.len() {
                parts.push(Some(Part::Keep((0..shape[axis]).collect())));
                axis += 1;
            }
            continue;
        }
        if let Index::NewAxis = part {
            parts.push(Some(Part::New));
            continue;
        }
        let len = shape[axis] as i64;
        axis += 1;
        let front = |at: &i64| if *at < 0 { (at + len) as usize } else { *at as usize };
        parts.push(Some(match part {
            Index::Int(at) => Part::Drop(front(at)),
            Index::Slice { start, stop, step } => {
                let step = step.unwrap_or(1);
                let inside = |at: i64| if at < 0 { at + len } else { at };
                let mut kept = Vec::new();
                if step > 0 {
                    let mut at = start.map_or(0, inside).max(0);
                    while at < stop.map_or(len, inside).min(len) {
                        kept.push(at as usize);
                        at += step;
                    }
                } else {
                    let mut at = start.map_or(len - 1, inside).min(len - 1);
                    while at > stop.map_or(-1, inside).max(-1) {
                        kept.push(at as usize);
                        at += step;
                    }
                }
                Part::Keep(kept)
            }
            Index::Ints { shape, values } => Part::List(shape.clone(), values.iter().map(front).collect()),
            Index::Bools { values, .. } => {
                let places: Vec<usize> = (0..values.len()).filter(|k| values[*k]).collect();
                Part::List(vec![places.len()], places)
            }
            _ => unreachable!("known parts only"),
        }));
    }
    while axis < shape.len() {
        parts.push(Some(Part::Keep((0..shape[axis]).collect())));
        axis += 1;
    }
    let listed = parts.iter().any(|part| matches!(part, Some(Part::List(..))));
    let tall = parts.iter().any(|part| matches!(part, Some(Part::List(shape, _)) if shape.len() == 2));
    let wide = parts.iter().any(|part| matches!(part, Some(Part::List(shape, _)) if shape.len() == 1));
    let lists: Vec<usize> = match (listed, tall, wide) {
        (false, ..) => vec![],
        (_, true, true) => vec![2, 3],
        (_, true, false) => vec![2, 1],
        (_, false, _) => vec![3],
    };
    let picks: Vec<bool> =
        parts.iter().map(|part| matches!(part, Some(Part::List(..) | Part::Drop(_))) && listed).collect();
    let first = picks.iter().position(|pick| *pick).unwrap_or(0);
    let last = picks.iter().rposition(|pick| *pick).unwrap_or(0);
    let together = picks.get(first..=last).is_none_or(|between| between.iter().all(|pick| *pick));
    let mut result = Vec::new();
    let mut place = if together { None } else { Some(0) };
    for (k, part) in parts.iter().enumerate() {
        if listed && together && k == first {
            place = Some(result.len());
        }
        match part {
            Some(Part::Keep(kept)) => result.push(kept.len()),
            Some(Part::New) => result.push(1),
            _ => {}
        }
    }
    let place = place.unwrap_or(0);
    result.splice(place..place, lists.iter().copied());
    let sources = coordinates(&result).into_iter().map(|at| {
        let list_at = &at[place..place + lists.len()];
        let mut rest = at[..place].iter().chain(&at[place + lists.len()..]);
        let mut source = Vec::new();
        for part in parts.iter().flatten() {
            match part {
                Part::Drop(at) => source.push(*at),
                Part::Keep(kept) => source.push(kept[*rest.next().unwrap()]),
                Part::New => assert_eq!(rest.next(), Some(&0)),
                Part::List(shape, values) => source.push(match shape.as_slice() {
                    [_] => values[list_at[list_at.len() - 1]],
                    _ => values[list_at[0]],
                }),
            }
        }
        source
    });
    let sources = sources.collect();
    (result, sources)
}

fn indexed() -> impl Strategy<Value = (Case, Vec<Index>)> {
    let picks = proptest::collection::vec(pick(), 0..6);
    (case(0..4, 7), picks, proptest::option::of(0usize..4)).prop_map(|(case, picks, ellipsis)| {
        let index = fit(&picks, &case.naive.shape, ellipsis);
        (case, index)
    })
}

fn ints(shape: &[usize]) -> Array {
    Array::from_chunk(counting(shape).chunk(), None).unwrap()
}

fn list(values: &[i64]) -> Index {
    Index::Ints { shape: vec![values.len()], values: values.to_vec() }
}

fn slice(start: i64, stop: i64) -> Index {
    Index::Slice { start: Some(start), stop: Some(stop), step: None }
}

fn words<T>(result: Result<T, selion_array::ArrayError>) -> String {
    result.map(|_| ()).unwrap_err().to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn reading_follows_numpys_rules((case, index) in indexed()) {
        let (shape, sources) = naive_index(&case.naive.shape, &index);
        let data = sources.iter().map(|at| case.naive.at(at)).collect();
        check(&case.array().getitem(&index).unwrap(), &Naive { shape, data });
    }

    #[test]
    fn writing_replaces_what_reading_gives((case, index) in indexed(), ones in any::<u8>(), drop in 0usize..3) {
        let lists = index.iter().filter(|part| matches!(part, Index::Ints { .. } | Index::Bools { .. })).count();
        let flat = index.iter().all(|part| !matches!(part, Index::Ints { shape, .. } if shape.len() > 1));
        prop_assume!(lists <= 1 && flat);
        let (shape, sources) = naive_index(&case.naive.shape, &index);
        // A value that broadcasts to the result: some axes of length 1, some missing in front.
        let mut own: Vec<usize> = shape.iter().enumerate().map(|(k, len)| if ones >> k & 1 == 1 { 1 } else { *len }).collect();
        own.drain(..drop.min(own.len()));
        let value = Naive { data: counting(&own).data.iter().map(|x| -1 - x).collect(), shape: own.clone() };
        let mut want = case.naive.clone();
        for (at, source) in coordinates(&shape).iter().zip(&sources) {
            let lead = shape.len() - own.len();
            let from: Vec<usize> = at[lead..].iter().zip(&own).map(|(at, len)| if *len == 1 { 0 } else { *at }).collect();
            let to = source.iter().zip(&want.shape).fold(0, |index, (at, len)| index * len + at);
            want.data[to] = value.at(&from);
        }
        let x = case.array().setitem(&index, &Array::from_chunk(value.chunk(), None).unwrap()).unwrap();
        check(&x, &want);
    }

    #[test]
    fn writing_under_a_mask(case in case(1..4, 5), modulus in 1i64..4, rows in any::<bool>()) {
        let x = case.array();
        let rest = ufunc(Op::Remainder, &[(&x).into(), Operand::Int(i128::from(modulus))]).unwrap();
        let mut mask = ufunc(Op::Equal, &[rest.into(), Operand::Int(0)]).unwrap();
        let width = case.naive.shape[1..].iter().product::<usize>().max(1);
        let by_rows = rows && !case.naive.data.is_empty();
        if by_rows {
            let mut first = vec![Index::Int(0); case.naive.shape.len()];
            first[0] = Index::full();
            mask = mask.getitem(&first).unwrap();
        }
        let data = case.naive.data.iter().map(|x| {
            let decides = if by_rows { x / width as i64 * width as i64 } else { *x };
            if decides % modulus == 0 { -1 } else { *x }
        }).collect();
        let minus = Array::scalar(selion_core::Scalar::new(-1i32));
        let written = x.setitem(&[Index::Mask(mask)], &minus).unwrap();
        check(&written, &Naive { shape: case.naive.shape.clone(), data });
    }

    #[test]
    fn slicing_what_was_sliced((case, index) in indexed(), seed in any::<u64>()) {
        let (shape, sources) = naive_index(&case.naive.shape, &index);
        let once = case.array().getitem(&index).unwrap();
        let second: Vec<Index> = shape.iter().enumerate().map(|(k, len)| match seed >> (3 * k) & 3 {
            0 if *len > 0 => Index::Int((seed >> 20) as i64 % *len as i64),
            1 => Index::Slice { start: None, stop: None, step: Some(-2) },
            2 => slice(1, 4),
            _ => Index::full(),
        }).collect();
        let (shape_again, places) = naive_index(&shape, &second);
        let at = |place: &Vec<usize>| place.iter().zip(&shape).fold(0, |index, (at, len)| index * len + at);
        let data: Vec<i64> = places.iter().map(|place| case.naive.at(&sources[at(place)])).collect();
        let twice = once.getitem(&second).unwrap();
        check(&twice, &Naive { shape: shape_again.clone(), data: data.clone() });
        let plus = ufunc(Op::Add, &[once.into(), Operand::Int(1)]).unwrap().getitem(&second).unwrap();
        check(&plus, &Naive { shape: shape_again, data: data.iter().map(|x| x + 1).collect() });
    }

    #[test]
    fn lazy_masks_pick_in_c_order(case in case(1..4, 7), modulus in 1i64..5) {
        let x = case.array();
        let rest = ufunc(Op::Remainder, &[(&x).into(), Operand::Int(i128::from(modulus))]).unwrap();
        let mask = ufunc(Op::Equal, &[rest.into(), Operand::Int(0)]).unwrap();
        let data: Vec<i64> = case.naive.data.iter().copied().filter(|x| x % modulus == 0).collect();
        let picked = x.getitem(&[Index::Mask(mask)]).unwrap();
        prop_assert!(picked.shape().as_slice() == [UNKNOWN]);
        check(&picked, &Naive { shape: vec![data.len()], data: data.clone() });
        let total = picked.reduce(ReduceKind::Sum, None, false, 0.0, 0).unwrap();
        check(&total, &Naive { shape: vec![], data: vec![data.iter().sum()] });
        // The result may be used on, and masked again.
        let big = ufunc(Op::Greater, &[(&picked).into(), Operand::Int(5)]).unwrap();
        let twice = picked.getitem(&[Index::Mask(big)]).unwrap();
        let data: Vec<i64> = data.into_iter().filter(|x| *x > 5).collect();
        check(&twice, &Naive { shape: vec![data.len()], data });
    }

    #[test]
    fn lazy_masks_along_one_axis(case in case(2..4, 6), axis in 0usize..3, modulus in 1i64..4, int in any::<bool>()) {
        let shape = &case.naive.shape;
        let axis = axis % shape.len();
        let coordinate = Array::coordinate(&[shape[axis]], 0, Some(Chunks::regular(&[shape[axis]], &[2]))).unwrap();
        let rest = ufunc(Op::Remainder, &[coordinate.into(), Operand::Int(i128::from(modulus))]).unwrap();
        let mask = ufunc(Op::Equal, &[rest.into(), Operand::Int(0)]).unwrap();
        let known: Vec<i64> = (0..shape[axis] as i64).filter(|k| k % modulus == 0).collect();
        let mut index = vec![Index::full(); shape.len()];
        index[axis] = Index::Mask(mask);
        let mut same = vec![Index::full(); shape.len()];
        same[axis] = list(&known);
        let other = (axis + 1) % shape.len();
        if int && shape[other] > 0 {
            index[other] = Index::Int(-1);
            same[other] = Index::Int(-1);
        }
        let want = Naive::<i64>::of(&evaluate(&case.array().getitem(&same).unwrap()));
        let picked = case.array().getitem(&index).unwrap();
        check(&picked, &want);
        // Other axes of the result can be sliced.
        if let Some(k) = (0..picked.ndim()).find(|k| picked.shape()[*k] != UNKNOWN) {
            let mut index = vec![Index::full(); picked.ndim()];
            index[k] = slice(1, 3);
            let (shape, places) = naive_index(&want.shape, &index);
            let data = places.iter().map(|at| want.at(at)).collect();
            check(&picked.getitem(&index).unwrap(), &Naive { shape, data });
        }
    }
}

#[test]
fn known_masks_of_several_axes() {
    let values: Vec<bool> = (0..6).map(|k| k % 4 == 1).collect();
    let mask = Index::Bools { shape: vec![2, 3], values };
    check(&ints(&[2, 3]).getitem(std::slice::from_ref(&mask)).unwrap(), &Naive { shape: vec![2], data: vec![1, 5] });
    let x = ints(&[4, 2, 3]);
    let picked = x.getitem(&[slice(0, 2), mask]).unwrap();
    check(&picked, &Naive { shape: vec![2, 2], data: vec![1, 5, 7, 11] });
    let none = Index::Bools { shape: vec![], values: vec![false] };
    assert_eq!(x.getitem(&[none]).unwrap().shape().as_slice(), [0, 4, 2, 3]);
}

#[test]
fn elements_of_any_size_are_picked() {
    use selion_core::DType;
    let (x, places) = (ints(&[3, 2]), [2, 0, 2]);
    for dtype in [DType::Bool, DType::I8, DType::F16, DType::F32, DType::C128] {
        let picked = x.astype(dtype).unwrap().take(&[3], &places, Some(0)).unwrap();
        let want = x.take(&[3], &places, Some(0)).unwrap().astype(dtype).unwrap();
        assert_eq!(bytes(&evaluate(&picked)), bytes(&evaluate(&want)), "{dtype}");
    }
}

#[test]
fn unknown_lengths_stay_usable() {
    let x = ints(&[6, 4]).rechunk_to(Chunks::regular(&[6, 4], &[2, 2])).unwrap();
    let rows = x.getitem(&[Index::Int(0)]).unwrap().ravel().unwrap();
    assert_eq!(rows.shape().as_slice(), [4]);
    let first = x.getitem(&[Index::full(), Index::Int(0)]).unwrap();
    let picked = x.getitem(&[Index::Mask(first.with(Op::Greater, 7i64).unwrap())]).unwrap();
    assert_eq!(picked.shape().as_slice(), [UNKNOWN, 4]);
    check(
        &picked.getitem(&[Index::full()]).unwrap().ravel().unwrap(),
        &Naive { shape: vec![16], data: (8..24).collect() },
    );
    check(
        &picked.reduce(ReduceKind::Sum, Some(&[1]), false, 0.0, 0).unwrap(),
        &Naive { shape: vec![4], data: vec![38, 54, 70, 86] },
    );
    let both = Array::concatenate(&[picked.clone(), x.clone()], Some(0)).unwrap();
    assert_eq!(Naive::<i64>::of(&evaluate(&both)).shape, [10, 4]);
    let words = words(picked.getitem(&[slice(0, 1)]));
    assert!(words.contains("(nan, 4)") && words.contains("compute_chunk_sizes()"), "{words}");
}

#[test]
fn points() {
    let x = ints(&[3, 4]);
    check(&x.vindex(&[list(&[0, 2]), list(&[1, -1])]).unwrap(), &Naive { shape: vec![2], data: vec![1, 11] });
    check(
        &x.vindex(&[Index::full(), list(&[0, 2])]).unwrap(),
        &Naive { shape: vec![2, 3], data: vec![0, 4, 8, 2, 6, 10] },
    );
    check(&x.take(&[2], &[5, -1], None).unwrap(), &Naive { shape: vec![2], data: vec![5, 11] });
    let condition = Index::Bools { shape: vec![2], values: vec![false, true] };
    check(&x.compress(&condition, Some(0)).unwrap(), &Naive { shape: vec![1, 4], data: vec![4, 5, 6, 7] });
}

#[test]
fn picked_blocks_are_about_as_large_as_the_arrays() {
    let x = Array::coordinate(&[1000, 10], 0, Some(Chunks::regular(&[1000, 10], &[100, 10]))).unwrap();
    let all: Vec<i64> = (0..5000).map(|k| (k * 7919) % 1000).collect();
    let picked = x.getitem(&[list(&all)]).unwrap();
    assert_eq!(picked.chunks().axes()[0].lens(), [100; 50]);
    let table = Index::Ints { shape: vec![50, 100], values: all };
    assert!(x.getitem(&[table]).unwrap().chunks().largest_block() <= 1000);
}

#[test]
fn values_that_do_not_fit_are_refused_in_numpys_words() {
    let x = ints(&[2, 3, 4]);
    assert_eq!(
        words(x.setitem(&[slice(0, 2)], &ints(&[5]))),
        "could not broadcast input array from shape (5,) into shape (2,3,4)"
    );
    assert_eq!(
        words(x.setitem(&[list(&[0, 1])], &ints(&[5]))),
        "shape mismatch: value array of shape (5,) could not be broadcast to indexing result of shape (2,3,4)"
    );
    let mask = x.with(Op::Greater, 3i64).unwrap();
    assert_eq!(
        words(ints(&[2, 3]).setitem(&[Index::Mask(mask)], &x)),
        "too many indices for array: array is 2-dimensional, but 3 were indexed"
    );
}

#[test]
fn a_known_mask_takes_a_value_per_true_element() {
    let x = ints(&[4]);
    let mask = Index::Bools { shape: vec![4], values: vec![true, false, true, false] };
    check(
        &x.setitem(std::slice::from_ref(&mask), &ints(&[2])).unwrap(),
        &Naive { shape: vec![4], data: vec![0, 1, 1, 3] },
    );
    check(&x.setitem(&[mask], &ints(&[])).unwrap(), &Naive { shape: vec![4], data: vec![0, 1, 0, 3] });
}

#[test]
fn wrong_indices_are_refused_in_numpys_words() {
    let x = ints(&[2, 3, 4]);
    assert_eq!(words(x.getitem(&[Index::Int(5)])), "index 5 is out of bounds for axis 0 with size 2");
    assert_eq!(words(x.getitem(&[Index::full(), list(&[0, -4])])), "index -4 is out of bounds for axis 1 with size 3");
    assert_eq!(
        words(x.getitem(&vec![Index::Int(0); 4])),
        "too many indices for array: array is 3-dimensional, but 4 were indexed"
    );
    assert_eq!(
        words(x.getitem(&[Index::Ellipsis, Index::Ellipsis])),
        "an index can only have a single ellipsis ('...')"
    );
    assert_eq!(
        words(x.getitem(&[Index::Bools { shape: vec![2, 2], values: vec![true; 4] }])),
        "boolean index did not match indexed array along axis 1; size of axis is 3 but size of corresponding boolean \
         axis is 2"
    );
    assert_eq!(
        words(x.getitem(&[list(&[0]), list(&[1, 2]), list(&[1, 2, 3])])),
        "shape mismatch: indexing arrays could not be broadcast together with shapes (1,) (2,) (3,)"
    );
    let step = Index::Slice { start: None, stop: None, step: Some(0) };
    assert_eq!(words(x.getitem(&[step])), "slice step cannot be zero");
}
