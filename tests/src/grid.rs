//! A table of tests with rows and columns. Several cells run at once.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Runs every cell, given its row and column, on `workers` threads; the results row by row.
pub fn run<T: Send>(
    workers: usize,
    [rows, columns]: [usize; 2],
    cell: impl Fn(usize, usize) -> T + Sync,
) -> Vec<Vec<T>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= rows * columns {
                        return;
                    }
                    let result = cell(index / columns, index % columns);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    let mut cells = done.into_iter().map(|(_, result)| result);
    let row = |_| cells.by_ref().take(columns).collect();
    (0..rows).map(row).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_stand_where_their_cells_are() {
        let results = super::run(3, [4, 2], |row, column| 10 * row + column);
        assert_eq!(results, [[0, 1], [10, 11], [20, 21], [30, 31]]);
    }
}
