class Odd(BaseException):
    pass


raise Odd("neither an Exception nor an exit")
