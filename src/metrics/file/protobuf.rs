//! As much of the protobuf wire format as scalars need: fields of a message, one after the other.
//!
//! Nothing is copied and nothing is allocated: a length that goes beyond the message ends it.

/// A field's value on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wire<'a> {
    /// A varint: integers, enums, booleans.
    Varint(u64),
    /// Eight bytes: `double`, `fixed64`.
    Eight([u8; 8]),
    /// Four bytes: `float`, `fixed32`.
    Four([u8; 4]),
    /// Strings, messages, packed lists.
    Bytes(&'a [u8]),
}

/// The fields of a message: number and value. It ends at the first byte that makes no sense.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for at in 0..10 {
            let byte = *self.0.get(at)?;
            value |= u64::from(byte & 0x7f) << (7 * at as u32).min(63);
            if byte < 0x80 {
                self.0 = &self.0[at + 1..];
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let length = usize::try_from(length).ok()?;
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Wire<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Eight(self.take(8)?.try_into().ok()?),
            2 => {
                let length = self.varint()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Four(self.take(4)?.try_into().ok()?),
            // Groups are of a version that nobody writes any more.
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

/// The number of a packed list of one.
pub(super) fn only_varint(packed: &[u8]) -> Option<u64> {
    let mut list = Fields(packed);
    let number = list.varint()?;
    list.0.is_empty().then_some(number)
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Wire<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        field
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, Wire};

    #[test]
    fn fields_come_in_order_and_nonsense_ends_them() {
        let message = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 0, 0, 0x80, 0x3f];
        let fields: Vec<_> = Fields::of(&message).collect();
        assert_eq!(
            fields,
            [(1, Wire::Varint(150)), (2, Wire::Bytes(b"hi")), (3, Wire::Four([0, 0, 0x80, 0x3f]))]
        );
        // A string of 2^60 bytes.
        let huge = [0x08, 0x01, 0x12, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
        assert_eq!(Fields::of(&huge).collect::<Vec<_>>(), [(1, Wire::Varint(1))]);
        assert_eq!(Fields::of(&[0xff; 20]).count(), 0);
        assert_eq!(Fields::of(&[0x0b]).count(), 0);
    }
}
