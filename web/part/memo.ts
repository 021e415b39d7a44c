import { type ComponentType, h } from 'preact';
import { useMemo } from 'preact/hooks';

/** A view that is drawn again only when something that it is handed has changed. */
export const memo =
  <P extends object>(View: (props: P) => ReturnType<typeof h>): ComponentType<P> =>
  (props) =>
    useMemo(() => h(View as ComponentType<P>, props), Object.values(props));
