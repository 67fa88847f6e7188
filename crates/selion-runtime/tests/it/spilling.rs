//! What does not fit goes to disk and comes back as it was; nothing is left behind.

use std::sync::{Arc, Mutex};

use selion_core::{Chunk, DType, ExecError, GraphBuilder, Scalar, TimeUnit, Value, ValueId};

use crate::tools::{Folder, are_deviations, counting, elements, function, read_twice, run, spilling};

const LEN: usize = 10_000;
const NBYTES: u64 = LEN as u64 * 8;

#[test]
fn what_does_not_fit_comes_back_from_disk() {
    let folder = Folder::new("comes-back");
    for count in [1, 2] {
        let executor = spilling(count, 10 * NBYTES, &folder);
        let values = run(&executor, read_twice(100, LEN)).unwrap();
        assert!(are_deviations(&values, LEN));
        let counters = executor.last_run();
        assert!(counters.spilled_bytes_written >= 85 * NBYTES, "{counters:?}");
        assert!(counters.spilled_bytes_written <= 100 * NBYTES, "no block is written twice: {counters:?}");
        assert!(counters.spilled_bytes_read <= counters.spilled_bytes_written + 5 * NBYTES, "{counters:?}");
        assert!(counters.peak_bytes <= 10 * NBYTES + count as u64 * 2 * NBYTES, "{counters:?}");
        assert_eq!(executor.memory_in_use(), 0);
        assert!(folder.entries().is_empty());
    }
}

#[test]
fn what_fits_stays_in_memory() {
    let folder = Folder::new("stays");
    let executor = spilling(2, 110 * NBYTES, &folder);
    run(&executor, read_twice(100, LEN)).unwrap();
    assert_eq!(executor.last_run().spilled_bytes_written, 0);
}

/// Makes `value`, then something that needs the whole budget, then gives the value back.
fn through_disk(value: Value) -> Value {
    let folder = Folder::new("through");
    let executor = spilling(1, value.held_bytes() as u64, &folder);
    let mut builder = GraphBuilder::default();
    let nbytes = value.held_bytes() as u64;
    let make = builder.body(function("make", move |_, _, _| Ok(value.clone())));
    let fill = builder.body(function("fill", move |_, _, _| Ok(counting(1, 0).into())));
    let read = builder.body(function("read", |_, inputs, _| Ok(inputs[0].clone())));
    let made = builder.task(make, 0, &[], nbytes);
    let filled = builder.task(fill, 0, &[made], nbytes + 1);
    let wanted = builder.task(read, 0, &[made, filled], 0);
    run(&executor, builder.finish(vec![filled, wanted])).unwrap().remove(1)
}

#[test]
fn chunks_of_any_layout_come_back_as_they_were() {
    let whole = Chunk::from_values(&[40, 30], &(0..1200).collect::<Vec<i64>>());
    let row = Chunk::from_values(&[1, 600], &(0..600).collect::<Vec<i64>>());
    let chunks = [
        whole.clone(),
        whole.transpose(&[1, 0]),
        whole.slice(0, 39, -2, 20),
        whole.sub_block(&[3, 4], &[10, 20]).transpose(&[1, 0]),
        whole.reshape(&[2, 20, 1, 30]).transpose(&[3, 0, 2, 1]),
        whole.slice(1, 0, 1, 0),
        row.broadcast_to(&[50, 600]),
        row.broadcast_to(&[50, 600]).transpose(&[1, 0]).slice(1, 10, 1, 30),
        Chunk::full(&[5, 5], Scalar::new(7i64)),
    ];
    for chunk in chunks {
        let expected = (chunk.shape().to_vec(), chunk.to_vec::<i64>());
        // A tuple with a part that is large enough to be spilled.
        let value = through_disk(Value::Tuple([chunk.into(), Value::Unit, whole.clone().into()].into()));
        let back = value.parts()[0].as_chunk().unwrap();
        assert_eq!((back.shape().to_vec(), back.to_vec::<i64>()), expected);
        assert!(matches!(value.parts()[1], Value::Unit));
        assert_eq!(value.parts().len(), 3);
    }
}

#[test]
fn the_dtype_comes_back() {
    for dtype in
        [DType::Bool, DType::F16, DType::C128, DType::DateTime(TimeUnit::Nano), DType::TimeDelta(TimeUnit::Day)]
    {
        let buffer = selion_core::Buffer::zeroed(2048 * dtype.size());
        let value = through_disk(Chunk::new(dtype, &[2048], buffer).into());
        assert_eq!(value.as_chunk().unwrap().dtype(), dtype);
    }
}

#[test]
fn blocks_that_compress_take_less_disk() {
    let folder = Folder::new("compress");
    let mut noise = 1u64;
    let mut random = move || {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.rotate_left(29).wrapping_mul(noise) as i64
    };
    let random: Arc<Vec<i64>> = Arc::new((0..200_000).map(|_| random()).collect());
    for (compressible, percent) in [(true, 0..30), (false, 95..102)] {
        let random = Arc::clone(&random);
        let make = function("make", move |index, _, _| {
            let values = if compressible { vec![index as i64; random.len()] } else { random.to_vec() };
            Ok(Chunk::from_values(&[values.len()], &values).into())
        });
        let mut builder = GraphBuilder::default();
        let make = builder.body(make);
        let touch = builder.body(function("touch", |_, inputs, _| {
            Ok(counting(1, elements(&inputs[0]).last().copied().unwrap_or(0)).into())
        }));
        let made: Vec<ValueId> = (0..8).map(|k| builder.task(make, k, &[], 1_600_000)).collect();
        let touched: Vec<ValueId> = made.iter().map(|block| builder.task(touch, 0, &[*block], 8)).collect();
        let all = builder.task(touch, 0, &touched, 8);
        let wanted = made.iter().map(|block| builder.task(touch, 0, &[*block, all], 8)).collect();
        let executor = spilling(1, 3_300_000, &folder);
        let values = run(&executor, builder.finish(wanted)).unwrap();
        let expected = |k: i64| if compressible { k } else { values_at_1(&values) };
        assert!(values.iter().zip(0..).all(|(value, k)| elements(value)[0] == expected(k)));
        let counters = executor.last_run();
        let used = counters.spilled_bytes_on_disk * 100 / counters.spilled_bytes_written;
        assert!(percent.contains(&used), "{used} % of {counters:?}");
    }
}

fn values_at_1(values: &[Value]) -> i64 {
    elements(&values[0])[0]
}

#[test]
fn the_folder_is_private_and_goes_with_the_run() {
    let folder = Arc::new(Folder::new("private"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut builder = GraphBuilder::default();
    let make = builder.body(function("make", |index, _, _| Ok(counting(LEN, index as i64).into())));
    let look = {
        let (folder, seen) = (Arc::clone(&folder), Arc::clone(&seen));
        function("look", move |_, _, _| {
            seen.lock().unwrap().extend(folder.entries());
            #[cfg(unix)]
            for entry in folder.entries() {
                use std::os::unix::fs::PermissionsExt;
                assert_eq!(entry.metadata()?.permissions().mode() & 0o777, 0o700);
            }
            Err("enough".into())
        })
    };
    let look = builder.body(look);
    let made: Vec<ValueId> = (0..4).map(|k| builder.task(make, k, &[], NBYTES)).collect();
    let looked = builder.task(look, 0, &made[3..], 8);
    let mut wanted = made.clone();
    wanted.push(looked);
    let error = run(&spilling(1, 2 * NBYTES, &folder), builder.finish(wanted)).unwrap_err();
    assert_eq!(error.to_string(), "task ('look', 0) failed: enough");
    let name = seen.lock().unwrap()[0].file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name.starts_with(&format!("selion-spill-{}-", std::process::id())), "{name}");
    assert!(folder.entries().is_empty());
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let folder = Folder::new("unwritable");
    let file = folder.0.join("file");
    std::fs::write(&file, "in the way").unwrap();
    for count in [1, 2] {
        let config = selion_runtime::Config {
            threads: count,
            memory_limit: Some(3 * NBYTES),
            spill_dir: Some(file.join("below")),
        };
        let executor = selion_runtime::Threads::new(config);
        match run(&executor, read_twice(20, LEN)) {
            Err(ExecError::Spill { path, .. }) => assert!(path.contains("unwritable/file"), "{path}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(executor.memory_in_use(), 0);
        // The executor can be used afterwards.
        assert!(are_deviations(&run(&executor, read_twice(2, LEN)).unwrap(), LEN));
    }
}

#[test]
fn a_file_that_was_damaged_is_an_error() {
    let folder = Arc::new(Folder::new("damaged"));
    let mut builder = GraphBuilder::default();
    let make = builder.body(function("make", |index, _, _| Ok(counting(LEN, index as i64).into())));
    let damage = {
        let folder = Arc::clone(&folder);
        function("damage", move |_, _, _| {
            for entry in std::fs::read_dir(&folder.entries()[0])? {
                let path = entry?.path();
                let bytes = std::fs::read(&path)?;
                std::fs::write(&path, &bytes[..bytes.len() / 2])?;
            }
            Ok(Value::Unit)
        })
    };
    let damage = builder.body(damage);
    let read = builder.body(function("read", |_, inputs, _| Ok(inputs[0].clone())));
    let made: Vec<ValueId> = (0..4).map(|k| builder.task(make, k, &[], NBYTES)).collect();
    let mut some = made.clone();
    let last = builder.task(damage, 0, &some.split_off(3), NBYTES);
    let wanted: Vec<ValueId> = made[..3].iter().map(|block| builder.task(read, 0, &[*block, last], 8)).collect();
    let result = run(&spilling(1, 3 * NBYTES, &folder), builder.finish(vec![made[0], made[1], made[2], wanted[2]]));
    assert!(matches!(result, Err(ExecError::Spill { .. })), "{result:?}");
    assert!(folder.entries().is_empty());
}

#[test]
fn folders_of_dead_processes_are_removed_and_those_of_others_are_not() {
    let folder = Folder::new("stale");
    let dead = 4_194_303 + 1; // beyond the kernel's largest process id
    let names = [
        format!("selion-spill-{dead}-0123456789abcdef"),
        format!("selion-spill-{}-0123456789abcdef", std::process::id()),
        "selion-spill-oddity".to_owned(),
        "something-else".to_owned(),
        format!("selion-spill-{dead}-locked"),
    ];
    for name in &names {
        std::fs::create_dir(folder.0.join(name)).unwrap();
        std::fs::write(folder.0.join(name).join("0"), "value").unwrap();
    }
    // A process that another process namespace hides holds its lock.
    let alive = std::fs::File::create(folder.0.join(&names[4]).join("alive")).unwrap();
    alive.lock().unwrap();
    let _executor = spilling(1, 0, &folder);
    let left = |name: &String| folder.0.join(name).exists();
    assert_eq!(names.iter().map(left).collect::<Vec<_>>(), [false, true, true, true, true]);
}

#[test]
fn objects_stay_in_memory() {
    let folder = Folder::new("objects");
    let mut builder = GraphBuilder::default();
    let make = builder
        .body(function("make", |index, _, _| Ok(Value::Object { object: Arc::new(index), nbytes: NBYTES as usize })));
    let touch = builder.body(function("touch", |_, _, _| Ok(Value::Unit)));
    let made: Vec<ValueId> = (0..10).map(|k| builder.task(make, k, &[], NBYTES)).collect();
    let all = builder.task(touch, 0, &made, 0);
    let executor = spilling(2, 3 * NBYTES, &folder);
    run(&executor, builder.finish(vec![all])).unwrap();
    assert_eq!(executor.last_run().spilled_bytes_written, 0);
}
