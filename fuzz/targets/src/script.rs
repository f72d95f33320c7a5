//! Scripts: the bytes of a target, read as steps.

use std::{env, fmt};

/// Reads a script. Behind its end there are zeros.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn read<T: FromScript<'a>>(&mut self) -> T {
        T::from_script(self)
    }
}

/// What a script can contain.
pub(crate) trait FromScript<'a> {
    fn from_script(script: &mut Reader<'a>) -> Self;
}

impl FromScript<'_> for u8 {
    fn from_script(script: &mut Reader<'_>) -> Self {
        let first = script.0.split_off_first();
        first.copied().unwrap_or_default()
    }
}

impl FromScript<'_> for u16 {
    fn from_script(script: &mut Reader<'_>) -> Self {
        Self::from_be_bytes([script.read(), script.read()])
    }
}

impl FromScript<'_> for bool {
    fn from_script(script: &mut Reader<'_>) -> Self {
        script.read::<u8>() & 1 == 1
    }
}

/// Two bytes with the length, and as many bytes as it says, or all there are.
impl<'a> FromScript<'a> for &'a [u8] {
    fn from_script(script: &mut Reader<'a>) -> Self {
        let length = usize::from(script.read::<u16>()).min(script.0.len());
        let (bytes, rest) = script.0.split_at(length);
        script.0 = rest;
        bytes
    }
}

/// Defines an enum that is read from a script: one byte, modulo the number of choices, says which
/// variant it is, and the fields follow in their order.
macro_rules! choices {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident $(<$borrowed:lifetime>)?
        from $script:lifetime, one of $count:literal {
            $(
                $(#[$comment:meta])*
                $code:pat => $variant:ident $({ $($field:ident: $type:ty),* })?,
            )*
        }
    ) => {
        $(#[$attribute])*
        $visibility enum $name $(<$borrowed>)? {
            $($(#[$comment])* $variant $({ $($field: $type),* })?,)*
        }

        impl<$script> $crate::script::FromScript<$script> for $name $(<$borrowed>)? {
            fn from_script(script: &mut $crate::script::Reader<$script>) -> Self {
                match script.read::<u8>() % $count {
                    $($code => Self::$variant $({ $($field: script.read()),* })?,)*
                    _ => unreachable!("each of the {} choices has its line", $count),
                }
            }
        }
    };
}
pub(crate) use choices;

/// Shows what happens in a script, if the environment has `ZRE_FUZZ_TRACE`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace(bool);

impl Trace {
    pub(crate) fn new() -> Self {
        Self(env::var_os("ZRE_FUZZ_TRACE").is_some())
    }

    pub(crate) fn show(self, what: impl fmt::Debug) {
        if self.0 {
            eprintln!("{what:?}");
        }
    }
}
