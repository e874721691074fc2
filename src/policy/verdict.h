/* What becomes of a message after the work queue: bus scan_verdict.action, and the queue's journal. Numbers never change. */
#ifndef POLICY_VERDICT_H
#define POLICY_VERDICT_H

enum verdict_action { VERDICT_DELIVER = 0, VERDICT_DROP = 1 };

#endif
