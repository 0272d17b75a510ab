/* slim.h - Give back the pages that only the start has touched */
#ifndef GATEWAY_APP_SLIM_H
#define GATEWAY_APP_SLIM_H

/* Once, when everything runs */
void slim_down(void);

#endif
