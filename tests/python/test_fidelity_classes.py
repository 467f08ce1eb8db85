"""Making classes, descriptors, operators: programs whose calls are known, with the calls beside them."""

import pytest

from known_programs import KnownPrograms

PROGRAMS = KnownPrograms()

PROGRAMS.add(
    "making_classes",
    """
    class Meta(type):
        def __new__(meta, name, bases, namespace, **keywords): return super().__new__(meta, name, bases, namespace)
        def __init__(cls, *arguments, **keywords): super().__init__(*arguments)
        def __call__(cls, *arguments): return super().__call__(*arguments)

        @classmethod
        def __prepare__(meta, name, bases, **keywords): return {}

    class Named:
        def __set_name__(self, owner, name): pass

    def decorated(cls): return cls

    class Base:
        def __init_subclass__(cls, **keywords): pass
        def __class_getitem__(cls, item): return cls
        def __mro_entries__(self, bases): return ()

    def main():
        @decorated
        class Made(Base, metaclass=Meta, key=1):
            field = Named()

            def __new__(cls, n): return super().__new__(cls)
            def __init__(self, n): self.n = n

        Made(1)
        Made[int]
        class Child(Base()): pass
        type("Dynamic", (Base,), {"a": Named()})
    """,
    """
    main
      __prepare__
      Made
      __new__
        __set_name__
        __init_subclass__
      __init__
      decorated
      __call__
        __new__
        __init__
      __class_getitem__
      __mro_entries__
      Child
      __set_name__
      __init_subclass__
    """,
)

PROGRAMS.add(
    "attributes_and_operators",
    """
    import functools

    class Descriptor:
        def __get__(self, instance, owner=None): return 1
        def __set__(self, instance, value): pass
        def __delete__(self, instance): pass

    class Thing:
        described = Descriptor()

        @property
        def norm(self): return self.compute()

        @norm.setter
        def norm(self, value): pass

        @functools.cached_property
        def cached(self): return 1

        def compute(self): return 2

        @classmethod
        def of_class(cls): return cls

        @staticmethod
        def static(): pass

        def __getattr__(self, name):
            if name == "missing":
                raise AttributeError(name)
            return name

        def __len__(self): return 2
        def __bool__(self): return True
        def __eq__(self, other): return True
        def __hash__(self): return 1
        def __add__(self, other): return NotImplemented
        def __radd__(self, other): return 1
        def __getitem__(self, n):
            if n > 1: raise IndexError
            return n
        def __call__(self): return self.compute()
        def __repr__(self): return "thing"
        def __format__(self, spec): return repr(self)
        def __contains__(self, item): return False
        def __enter__(self): return self
        def __exit__(self, *exception): pass

    def main():
        thing = Thing()
        thing.described; thing.described = 1; del thing.described
        thing.norm; thing.norm = 1
        thing.cached; thing.cached
        Thing.of_class().static()
        hasattr(thing, "missing"); thing.dynamic
        len(thing), bool(thing), thing == 1, hash(thing), 1 + thing
        for item in thing: pass
        thing()
        f"{thing}"
        3 in thing
        with thing: pass
    """,
    """
    main
      __get__
      __set__
      __delete__
      norm
        compute
      norm
      cached
      of_class
      static
      __getattr__ raised
      __getattr__
      __len__
      __bool__
      __eq__
      __hash__
      __radd__
      __getitem__
      __getitem__
      __getitem__ raised
      __call__
        compute
      __format__
        __repr__
      __contains__
      __enter__
      __exit__
    """,
)

@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return PROGRAMS.record(tmp_path_factory.mktemp("programs"))


@pytest.mark.parametrize("name", PROGRAMS.stories)
def test_every_call_has_its_place_and_ending(name, recorded):
    assert recorded[name].story(module=name) == PROGRAMS.stories[name]
