/** Lets pending events run: signals, timers, messages. A loop of synchronous steps and resolved promises would starve them. */
export function runPendingEvents(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') return void setImmediate(resolve);
    // Not a timer: browsers make one that follows another wait for 4 ms.
    const { port1, port2 } = new MessageChannel();
    const onmessage = (): void => {
      port1.close();
      resolve();
    };
    Object.assign(port1, { onmessage });
    port2.postMessage(undefined);
  });
}
