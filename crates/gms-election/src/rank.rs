//! Which of the candidates goes before which.

/// How candidates are ordered: by their list alone, so that all who have the list agree.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum Rank<Id> {
    /// The highest id first.
    #[default]
    Bully,
    /// The first in the list, who has been there longest, first.
    Seniority,
    /// The highest weight first, and of equal weights the highest id. Who has none weighs 0.
    Priority(Vec<(Id, u32)>),
}

impl<Id: Copy + Ord> Rank<Id> {
    /// The candidates from the highest rank to the lowest. They come in order of seniority; one named
    /// twice counts once, where it is first.
    pub fn order(&self, candidates: &[Id]) -> Vec<Id> {
        let mut order = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            if !order.contains(candidate) {
                order.push(*candidate);
            }
        }
        match self {
            Self::Bully => order.sort_by(|a, b| b.cmp(a)),
            Self::Seniority => {}
            Self::Priority(weights) => {
                let weight = |id: &Id| weights.iter().find(|(of, _)| of == id).map_or(0, |(_, weight)| *weight);
                order.sort_by(|a, b| (weight(b), b).cmp(&(weight(a), a)));
            }
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rank_orders_as_it_says() {
        let candidates = [3, 9, 1, 3, 7];
        assert_eq!(Rank::Bully.order(&candidates), [9, 7, 3, 1]);
        assert_eq!(Rank::Seniority.order(&candidates), [3, 9, 1, 7]);
        let priority = Rank::Priority(vec![(1, 5), (3, 2), (7, 5), (1, 100)]);
        assert_eq!(priority.order(&candidates), [7, 1, 3, 9]);
        assert_eq!(Rank::<u8>::Bully.order(&[]), []);
    }
}
