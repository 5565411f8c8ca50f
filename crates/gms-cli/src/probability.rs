//! A number from 0 to 1.

/// Reads one; for clap.
pub(crate) fn parse(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    check(number).map(|()| number)
}

/// Whether `number` is one.
pub(crate) fn check(number: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&number) { Ok(()) } else { Err("a probability is from 0 to 1".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_from_0_to_1_are_probabilities() {
        assert_eq!(parse("0.3"), Ok(0.3));
        for text in ["1.01", "-0.1", "NaN", "half"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
