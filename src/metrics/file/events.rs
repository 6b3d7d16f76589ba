//! TensorBoard's event files.
//!
//! A file is records of `length: u64`, `masked CRC-32C of it: u32`, the data, `masked CRC-32C of the
//! data: u32`, little-endian. The data is an `Event`: `wall_time: double = 1`, `step: int64 = 2`,
//! `summary = 5`. A `Summary` is `value = 1`, each with `tag = 1` and `simple_value: float = 2`
//! (`add_scalar` of old), or `tensor = 8` with `metadata = 9` (since TensorFlow 2).

use super::crc32c;
use super::protobuf::{Fields, Wire};
use super::{Cut, Point, RECORD_MAX};

/// Length and its sum.
const HEADER: usize = 12;
/// The sum behind the data.
const FOOTER: usize = 4;
/// No event is longer: protobuf's own limit, 2 GiB.
const LENGTH_MAX: u64 = 1 << 31;

fn length(bytes: &[u8]) -> Option<u64> {
    let (length, sum) = bytes.get(..HEADER)?.split_at(8);
    let sound = crc32c::masked(length).to_le_bytes() == *sum;
    let length = u64::from_le_bytes(length.try_into().ok()?);
    (sound && length <= LENGTH_MAX).then_some(length)
}

/// Whether a file that begins with these bytes is one of events.
pub(super) fn is_begin(bytes: &[u8]) -> bool {
    length(bytes).is_some()
}

pub(super) fn cut(bytes: &[u8]) -> Cut {
    if bytes.len() < HEADER {
        return Cut::More;
    }
    let Some(length) = length(bytes) else { return resynchronise(bytes, 1) };
    if length > RECORD_MAX as u64 {
        return Cut::Skip(HEADER as u64 + length + FOOTER as u64);
    }
    let data = HEADER + length as usize;
    let Some(sum) = bytes.get(data..data + FOOTER) else { return Cut::More };
    if crc32c::masked(&bytes[HEADER..data]).to_le_bytes() == *sum {
        return Cut::Record(data + FOOTER);
    }
    resynchronise(bytes, data + FOOTER)
}

/// What does not fit is damage once something sound follows it; until then it may be a record whose
/// bytes have not all arrived.
fn resynchronise(bytes: &[u8], from: usize) -> Cut {
    let sound = (from..bytes.len().saturating_sub(HEADER - 1)).find(|at| length(&bytes[*at..]).is_some());
    sound.map_or(Cut::More, Cut::Damage)
}

/// The scalars of a record.
pub(super) fn read(record: &[u8], take: &mut dyn FnMut(Point<'_>)) {
    let data = record.get(HEADER..record.len().saturating_sub(FOOTER)).unwrap_or_default();
    let (mut time, mut step) = (None, 0);
    for field in Fields::of(data) {
        match field {
            (1, Wire::Eight(seconds)) => time = Some(f64::from_le_bytes(seconds)),
            (2, Wire::Varint(number)) => step = number as i64,
            _ => {}
        }
    }
    for field in Fields::of(data) {
        let (5, Wire::Bytes(summary)) = field else { continue };
        for field in Fields::of(summary) {
            let (1, Wire::Bytes(value)) = field else { continue };
            if let Some((name, value)) = scalar(value) {
                take(Point { name, value, step: Some(step as f64), time });
            }
        }
    }
}

fn scalar(message: &[u8]) -> Option<(&[u8], f64)> {
    let (mut tag, mut value, mut plugin) = (None, None, None);
    for field in Fields::of(message) {
        match field {
            (1, Wire::Bytes(name)) => tag = Some(name),
            (2, Wire::Four(float)) => value = Some(f64::from(f32::from_le_bytes(float))),
            (8, Wire::Bytes(message)) => value = value.or_else(|| tensor(message)),
            (9, Wire::Bytes(metadata)) => plugin = inside(metadata, 1).and_then(|data| inside(data, 1)),
            _ => {}
        }
    }
    // Text, images and tables of hyperparameters are tensors too. Not every value repeats its metadata.
    let is_scalar = plugin.is_none_or(|plugin| plugin.is_empty() || plugin == b"scalars");
    is_scalar.then_some((tag?, value?))
}

fn inside(message: &[u8], number: u64) -> Option<&[u8]> {
    Fields::of(message).find_map(|field| match field {
        (found, Wire::Bytes(bytes)) if found == number => Some(bytes),
        _ => None,
    })
}

/// A tensor of one number: `dtype = 1`, `tensor_content = 4`, or a list of the type's own.
fn tensor(message: &[u8]) -> Option<f64> {
    /// `types.proto`.
    const FLOAT: u64 = 1;
    const DOUBLE: u64 = 2;
    const INT32: u64 = 3;
    const INT64: u64 = 9;
    let (mut kind, mut value) = (0, None);
    let four = |bytes: &[u8]| Some(f64::from(f32::from_le_bytes(bytes.try_into().ok()?)));
    let eight = |bytes: &[u8]| Some(f64::from_le_bytes(bytes.try_into().ok()?));
    for field in Fields::of(message) {
        match (kind, field) {
            (_, (1, Wire::Varint(found))) => kind = found,
            (FLOAT, (4 | 5, Wire::Bytes(bytes))) => value = four(bytes),
            (FLOAT, (5, Wire::Four(bytes))) => value = four(&bytes),
            (DOUBLE, (4 | 6, Wire::Bytes(bytes))) => value = eight(bytes),
            (DOUBLE, (6, Wire::Eight(bytes))) => value = eight(&bytes),
            (INT32, (4, Wire::Bytes(bytes))) => {
                value = Some(f64::from(i32::from_le_bytes(bytes.try_into().ok()?)));
            }
            (INT64, (4, Wire::Bytes(bytes))) => {
                value = Some(i64::from_le_bytes(bytes.try_into().ok()?) as f64);
            }
            (INT32, (7, Wire::Varint(number))) | (INT64, (10, Wire::Varint(number))) => {
                value = Some(number as i64 as f64);
            }
            (INT32, (7, Wire::Bytes(packed))) | (INT64, (10, Wire::Bytes(packed))) => {
                value = super::protobuf::only_varint(packed).map(|number| number as i64 as f64);
            }
            _ => {}
        }
    }
    value
}
