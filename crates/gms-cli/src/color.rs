//! Colours on the terminal: one for each member.

use std::fmt;
use std::io::{IsTerminal, stdout};

use clap::Args;

/// Whether to use colours.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ColorFlags {
    /// Uses no colours; so does the environment variable NO_COLOR, and output that is not a terminal
    #[arg(long)]
    no_color: bool,
}

impl ColorFlags {
    /// The palette for standard output.
    pub(crate) fn palette(self) -> Palette {
        let unwanted = self.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Palette { on: !unwanted && stdout().is_terminal() }
    }
}

/// Paints, or leaves everything as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    on: bool,
}

impl Palette {
    /// No colours.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { on: false };

    /// In the colour of member `node`.
    pub(crate) fn member<T: fmt::Display>(self, node: u64, text: T) -> Painted<T> {
        // Spread over colours that can be told apart and read on black and on white.
        const COLORS: [&str; 8] =
            ["38;5;33", "38;5;166", "38;5;35", "38;5;170", "38;5;37", "38;5;136", "38;5;203", "38;5;99"];
        self.paint(COLORS[(node % 8) as usize], text)
    }

    /// In bold: what matters.
    pub(crate) fn strong<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.paint("1", text)
    }

    /// In grey: what is there for completeness.
    pub(crate) fn faint<T: fmt::Display>(self, text: T) -> Painted<T> {
        self.paint("2", text)
    }

    fn paint<T>(self, code: &'static str, text: T) -> Painted<T> {
        Painted { code: self.on.then_some(code), text }
    }
}

/// A text and its colour, if it has one.
pub(crate) struct Painted<T> {
    code: Option<&'static str>,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "\x1b[{code}m{}\x1b[0m", self.text),
            None => self.text.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_only_there_when_wanted() {
        assert_eq!(Palette::PLAIN.member(3, "x").to_string(), "x");
        assert_eq!(Palette { on: true }.strong("x").to_string(), "\x1b[1mx\x1b[0m");
    }
}
