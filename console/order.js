// Conversations as the inbox takes them: which are open, which need a person, and in what order they stand.

/** The order of the inbox: emergencies, those that wait (longest first), and the others (newest activity first). */
export function compare(one, other) {
  const rank = (c) => (isEmergency(c) ? 0 : c.waiting_since ? 1 : 2);
  const byRank = rank(one) - rank(other);
  if (byRank) return byRank;
  if (one.waiting_since && !other.waiting_since) return -1;
  if (other.waiting_since && !one.waiting_since) return 1;
  if (one.waiting_since !== other.waiting_since) return one.waiting_since < other.waiting_since ? -1 : 1;
  if (one.last_activity === other.last_activity) return 0;
  return one.last_activity > other.last_activity ? -1 : 1;
}

export const isOpen = (conversation) => conversation.status !== 'completed';
export const isEmergency = (conversation) => conversation.emergency_detected && isOpen(conversation);
export const needsPerson = (conversation) => isEmergency(conversation) && conversation.ownership !== 'user';
