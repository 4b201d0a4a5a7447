{#- Nobody is mailed twice: no two rows have one learner, or one address. -#}
{% test gets_one_mail(model) %}
with

mails as (
    select
        'student_id' as what,
        student_id::string as who
    from {{ model }}
    union all
    select
        'email' as what,
        lower(trim(email)) as who
    from {{ model }}
)

select
    what,
    who,
    count(*) as row_count
from mails
group by what, who
having count(*) > 1
{% endtest %}
