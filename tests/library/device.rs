//! Kinds of adapters, classes of devices, and rows cut into shards.

use fedfunnel::gpu::{AdapterKind, DeviceClass, RowRange, split_rows};

#[test]
fn words_and_json_of_a_kind_are_the_same() {
    use AdapterKind::{Cpu, Discrete, Integrated, Other, Virtual};
    let words = [
        (Discrete, "discrete"),
        (Integrated, "integrated"),
        (Virtual, "virtual"),
        (Other, "other"),
        (Cpu, "cpu"),
    ];
    for (kind, word) in words {
        assert_eq!(kind.to_string(), word);
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{word}\""));
    }
    assert!(words.is_sorted_by_key(|(kind, _)| *kind));
}

#[test]
fn only_processors_of_eight_lanes_share_loads() {
    for (kind, subgroup, class) in [
        (AdapterKind::Cpu, 8, DeviceClass::CpuLanes),
        (AdapterKind::Cpu, 16, DeviceClass::CpuLanes),
        (AdapterKind::Cpu, 4, DeviceClass::CpuPlain),
        (AdapterKind::Cpu, 0, DeviceClass::CpuPlain),
        (AdapterKind::Integrated, 8, DeviceClass::Gpu),
        (AdapterKind::Discrete, 32, DeviceClass::Gpu),
        (AdapterKind::Other, 0, DeviceClass::Gpu),
    ] {
        assert_eq!(DeviceClass::of(kind, subgroup), class, "{kind}, {subgroup}");
    }
}

#[test]
fn the_wide_matrix_is_six_balanced_shards() {
    let shards = split_rows(550_570, 1_280, 128 << 20).unwrap();
    assert_eq!(shards.len(), 6);
    assert!(shards[..5].iter().all(|s| s.len == 91_762));
    assert_eq!(shards[5], RowRange { start: 458_810, len: 91_760 });
}

#[test]
fn what_fits_is_one_shard_and_a_row_too_large_is_refused() {
    assert_eq!(split_rows(7, 4, 64), Some(vec![RowRange { start: 0, len: 7 }]));
    assert_eq!(split_rows(7, 65, 64), None);
}

#[test]
fn every_row_is_in_one_shard_and_no_shard_is_too_large() {
    for rows in 1..60 {
        for limit in 4..40 {
            let shards = split_rows(rows, 4, limit).unwrap();
            let mut next = 0;
            for shard in shards {
                assert_eq!(shard.start, next);
                assert!(shard.len > 0 && shard.len as u64 * 4 <= limit);
                next += shard.len;
            }
            assert_eq!(next, rows);
        }
    }
}
