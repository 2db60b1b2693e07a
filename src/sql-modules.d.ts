/** `import query from './x.sql'` gives the file's text. */
declare module '*.sql' {
  const text: string
  export default text
}
