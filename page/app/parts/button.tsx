import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'

interface Options {
  does: () => Promise<unknown>
  children: ComponentChildren
  kind?: 'main' | 'quiet' | 'danger'
  label?: string
  disabled?: boolean
  /** The single key that does the same. */
  shortcut?: string
}

/** A button that does something. While it is doing it, further clicks do nothing. */
export function Button({ does, children, kind, label, disabled, shortcut }: Options) {
  const [busy, setBusy] = useState(false)
  const click = async () => {
    if (busy) return
    setBusy(true)
    await does().finally(() => setBusy(false))
  }
  return (
    <button
      type="button"
      class={kind}
      aria-label={label}
      aria-keyshortcuts={shortcut}
      aria-disabled={busy}
      disabled={disabled}
      onClick={click}
    >
      {children}
    </button>
  )
}
