/* What madvise(2) has done to pages; for linux/mm. Ranges of whole pages; mm->lock is not held. */
#pragma once

#include "linux/mm/mm.h"

/* Have every page there, to be read or written: -ENOMEM there is a hole, -EINVAL the mapping does
 * not allow it, -EFAULT the file has ended, -EINTR the process is to end. */
long advise_populate(struct mm *mm, uint64_t start, uint64_t end, bool write);

/* Give up the process's own pages there; not all of them when it is to end. */
void advise_discard(struct mm *mm, uint64_t start, uint64_t end);

/* Take the range out of the files that it shows, for all who show them: -EINVAL it is private
 * memory or locked, -EACCES it is not shared, or nobody may write through it, -EOPNOTSUPP, -ENOMEM
 * there is a hole. */
long advise_remove(struct mm *mm, uint64_t start, uint64_t end);
