import { useEffect, useRef } from 'preact/hooks'
import { question } from '../live/questions.ts'
import { useStore } from '../store/use-store.ts'

/** Asks before something that hurts is done. Escape says no. */
export function Ask() {
  const asked = useStore(question)
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (asked) dialog.current?.showModal()
  }, [asked])
  if (!asked) return null
  // The answer is given when the dialog is closed: then the browser has given the focus back.
  const close = (answer: string) => dialog.current?.close(answer)
  return (
    <dialog
      ref={dialog}
      aria-labelledby="asked"
      onClose={({ currentTarget }) => asked.answer(currentTarget.returnValue === 'yes')}
    >
      <h2 id="asked">{asked.title}</h2>
      <p>{asked.text}</p>
      <div class="buttons">
        <button type="button" onClick={() => close('no')}>
          Go back
        </button>
        <button type="button" class="danger" onClick={() => close('yes')}>
          {asked.yes}
        </button>
      </div>
    </dialog>
  )
}
