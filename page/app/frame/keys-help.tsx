import { useEffect, useRef } from 'preact/hooks'
import { useStore } from '../store/use-store.ts'
import { help, keys, keysAreOn, listenToKeys } from './keys.ts'

/** Listens to single keys, and lists them when somebody asks. Escape closes the list. */
export function KeysHelp() {
  const shown = useStore(help)
  const on = useStore(keysAreOn)
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(listenToKeys, [])
  useEffect(() => {
    if (shown) dialog.current?.showModal()
  }, [shown])
  if (!shown) return null
  return (
    <dialog ref={dialog} aria-labelledby="keys" onClose={() => help.set(false)}>
      <h2 id="keys">Keys</h2>
      <dl class="keys">
        {Object.entries(keys).map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <label>
        <input type="checkbox" checked={on} onChange={() => keysAreOn.set(!on)} /> Single keys work on this
        page
      </label>
      <div class="buttons">
        <button type="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  )
}
