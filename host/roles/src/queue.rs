//! A bounded queue to a loop that a keeper keeps: many put in, one takes out, several at a time.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use semper_keeper::Bell;

/// What waits at most; whoever puts in more waits until there is room.
const ROOM: usize = 2_048;

/// Where work is put in. When it is dropped, the loop hears that no more will come.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    sender: Option<SyncSender<T>>,
    bell: Bell,
}

/// Where the loop takes it out.
#[derive(Debug)]
pub(crate) struct Waiting<T>(Receiver<T>);

/// The loop has ended: nobody will take it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// A queue, its other end, and the bell that it rings.
pub(crate) fn queue<T>() -> (Queue<T>, Waiting<T>, Bell) {
    let (sender, receiver) = sync_channel(ROOM);
    let bell = Bell::new();
    (Queue { sender: Some(sender), bell: bell.clone() }, Waiting(receiver), bell)
}

impl<T> Queue<T> {
    /// Puts something in.
    pub fn put(&self, work: T) -> Result<(), Closed> {
        let sender = self.sender.as_ref().ok_or(Closed)?;
        sender.send(work).map_err(|_| Closed)?;
        self.bell.ring();
        Ok(())
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        self.sender = None;
        self.bell.ring_all();
    }
}

impl<T> Waiting<T> {
    /// What waits, in its order; an error when there is nothing, and never will be.
    pub fn take(&self, most: usize) -> Result<Vec<T>, Closed> {
        let mut batch = Vec::new();
        while batch.len() < most {
            match self.0.try_recv() {
                Ok(work) => batch.push(work),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) if batch.is_empty() => return Err(Closed),
                Err(TryRecvError::Disconnected) => break,
            }
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::{Closed, queue};

    #[test]
    fn what_was_put_in_is_taken_out_before_the_end_is_heard() {
        let (queue, waiting, bell) = queue();
        let heard = bell.rings();

        for number in 0..3 {
            assert_eq!(queue.put(number), Ok(()));
        }
        drop(queue);

        assert_eq!(bell.rings(), heard + 4);
        assert_eq!(waiting.take(2), Ok(vec![0, 1]));
        assert_eq!(waiting.take(2), Ok(vec![2]));
        assert_eq!(waiting.take(2), Err(Closed));
    }

    #[test]
    fn nothing_is_put_in_where_nobody_takes_it_out() {
        let (queue, waiting, _bell) = queue();
        drop(waiting);
        assert_eq!(queue.put(1), Err(Closed));
    }
}
