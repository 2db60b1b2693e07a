import { useState } from 'preact/hooks'

/** A line to type, with a button that copies it. */
export function Command({ line }: { line: string }) {
  const [copied, setCopied] = useState(false)
  const copy = async () => {
    await navigator.clipboard.writeText(line)
    setCopied(true)
    setTimeout(setCopied, 2000, false)
  }
  return (
    <span class="command">
      <code>{line}</code>
      <button type="button" class="quiet" onClick={copy} aria-label={`Copy: ${line}`}>
        {copied ? 'copied' : 'copy'}
      </button>
    </span>
  )
}
