/** SQL as a block. The block takes the focus, so that the keyboard can scroll a wide one. */
export const Sql = ({ text, of }: { text: string; of: string }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reachable by the keyboard
  <pre class="sql" tabIndex={0} role="region" aria-label={`SQL of ${of}`}>
    <code>{text}</code>
  </pre>
)
