import type { ComponentChildren } from 'preact'

/** The head of a column. The roles keep a table one for screen readers where its rows are drawn as cards. */
export const Column = ({ children, class: name }: { children: ComponentChildren; class?: string }) => (
  <th role="columnheader" scope="col" class={name}>
    {children}
  </th>
)
