/* Facts about the machine that do not change: read in the template. */
#pragma once

/* CPU features and the time page. */
void facts_read(void);
