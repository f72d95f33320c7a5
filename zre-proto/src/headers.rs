//! The headers that a node presents itself with.

use alloc::collections::btree_map::{self, BTreeMap, Entry};
use core::{fmt, ops::Index};

use crate::text::{ShortText, Text, TooLong};

/// The headers of a node: names of at most 255 bytes, with values of any length (RFC 36,
/// `dictionary`).
///
/// They iterate in the order of their names, whatever order they came in.
///
/// ```
/// use zre_proto::Headers;
///
/// let mut headers = Headers::try_from_iter([("X-ROLE", "chat"), ("X-VERSION", "2")])?;
/// headers.set("X-ROLE", "printer")?;
/// assert_eq!(headers["X-ROLE"], "printer");
/// assert_eq!(headers.get("X-COLOUR"), None);
/// # Ok::<(), zre_proto::TooLong>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(BTreeMap<ShortText, Text>);

impl Headers {
    /// Headers from pairs of name and value: a `HashMap`, a `BTreeMap`, a `Vec` or an array of
    /// pairs, or other `Headers`. Of two pairs with the same name the later one counts.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if a name has more than 255 bytes.
    pub fn try_from_iter<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Result<Self, TooLong>
    where
        N: Into<Text>,
        V: Into<Text>,
    {
        let mut headers = Self::default();
        headers.try_extend(pairs)?;
        Ok(headers)
    }

    /// Sets each of several headers, replacing earlier values. See
    /// [`try_from_iter`](Headers::try_from_iter) for what `pairs` can be.
    ///
    /// # Errors
    ///
    /// [`TooLong`] for the first name of more than 255 bytes. The headers before it have been set.
    pub fn try_extend<N, V>(
        &mut self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<(), TooLong>
    where
        N: Into<Text>,
        V: Into<Text>,
    {
        let mut pairs = pairs.into_iter();
        pairs.try_for_each(|(name, value)| self.set(name, value))
    }

    /// The value of a header, or `None` if there is none of that name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&Text> {
        self.0.get(name.as_ref())
    }

    /// Whether there is a header of that name.
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.0.contains_key(name.as_ref())
    }

    /// Sets a header, replacing an earlier value.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if the name has more than 255 bytes.
    pub fn set(&mut self, name: impl Into<Text>, value: impl Into<Text>) -> Result<(), TooLong> {
        let name = ShortText::try_from(name.into()).map_err(|error| error.named("header name"))?;
        self.0.insert(name, value.into());
        Ok(())
    }

    /// Removes a header and returns its value, if there was one of that name.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> Option<Text> {
        self.0.remove(name.as_ref())
    }

    /// Adds a header from the wire. Of two with the same name the first counts, as in zyre.
    pub(crate) fn add(&mut self, name: ShortText, value: Text) {
        if let Entry::Vacant(vacant) = self.0.entry(name) {
            vacant.insert(value);
        }
    }

    /// The headers in the order of their names.
    pub fn iter(&self) -> btree_map::Iter<'_, ShortText, Text> {
        self.0.iter()
    }

    /// The number of headers.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no header.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The value of the header of that name.
///
/// # Panics
///
/// If there is no such header; [`get`](Headers::get) returns an `Option`.
impl<N: AsRef<[u8]> + ?Sized> Index<&N> for Headers {
    type Output = Text;

    fn index(&self, name: &N) -> &Text {
        let name = name.as_ref();
        self.get(name)
            .unwrap_or_else(|| panic!("there is no header \"{}\"", name.escape_ascii()))
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a ShortText, &'a Text);
    type IntoIter = btree_map::Iter<'a, ShortText, Text>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Headers {
    type Item = (ShortText, Text);
    type IntoIter = btree_map::IntoIter<ShortText, Text>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// For names that have been checked already; others take
/// [`try_from_iter`](Headers::try_from_iter).
impl FromIterator<(ShortText, Text)> for Headers {
    fn from_iter<I: IntoIterator<Item = (ShortText, Text)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// For names that have been checked already; others take [`try_extend`](Headers::try_extend).
impl Extend<(ShortText, Text)> for Headers {
    fn extend<I: IntoIterator<Item = (ShortText, Text)>>(&mut self, pairs: I) {
        self.0.extend(pairs);
    }
}

/// A map of names and values.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString};

    use super::*;

    #[test]
    fn of_two_pairs_with_one_name_the_later_counts() {
        let headers = Headers::try_from_iter([("K", "first"), ("K", "second")]).unwrap();
        assert_eq!(headers["K"], "second");
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn a_name_that_is_too_long_is_an_error_and_what_came_before_it_stays() {
        let mut headers = Headers::default();
        let pairs = [("K".to_string(), "v"), ("n".repeat(256), "v")];
        let error = headers.try_extend(pairs).unwrap_err();
        assert!(error.to_string().starts_with("header name has 256 bytes"));
        assert_eq!(format!("{headers:?}"), r#"{"K": "v"}"#);
    }

    #[test]
    fn a_removed_header_is_gone() {
        let mut headers = Headers::try_from_iter([("K", "v")]).unwrap();
        assert!(headers.contains("K"));
        assert_eq!(headers.remove("K"), Some("v".into()));
        assert_eq!(headers.remove("K"), None);
        assert!(!headers.contains("K"));
    }

    #[test]
    #[should_panic(expected = "there is no header \"K\"")]
    fn indexing_by_a_name_that_is_not_there_panics() {
        let _ = &Headers::default()["K"];
    }
}
