/** Lets pending events run: signals, timers, messages. A loop of synchronous steps and resolved promises would starve them. */
export function runPendingEvents(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
